/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Components and their functions: a flat table, filled by handlers and matched once with the
 * imports of the component. A component has a few dozen functions at most, so both are looked
 * through in order.
 */
#include <actor/component.h>

#include <string.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/bytes.h>
#include <base/error.h>
#include <base/limits.h>

#include "internal.h"

theater_status theater__actor_component_new(theater__component *code,
                                            theater_actor_component **out_component,
                                            theater_error *err)
{
    theater_actor_component *component = theater__alloc_zeroed(1, sizeof(*component));
    if (component == NULL) {
        if (code != NULL) {
            theater__component_close(code);
        }
        return theater__fail_nomem(err);
    }
    component->code = code;
    if (code != NULL) {
        theater__digest digest = theater__component_digest(code);
        _Static_assert(sizeof(digest.bytes) == sizeof(component->digest.bytes), "both SHA-256");
        memcpy(component->digest.bytes, digest.bytes, sizeof(digest.bytes));
    }
    *out_component = component;
    return THEATER_OK;
}

static void function_free(theater__function *function)
{
    if (function == NULL) {
        return;
    }
    theater__free(function->interface);
    theater__free(function->name);
    theater__free(function->id);
    theater__free(function->signature);
    theater__free(function);
}

void theater_actor_component_free(theater_actor_component *component)
{
    if (component == NULL) {
        return;
    }
    for (size_t i = 0; i < component->functions_count; i++) {
        function_free(component->functions[i]);
    }
    theater__free(component->functions);
    theater__free(component->imports);
    if (component->code != NULL) {
        theater__component_close(component->code);
    }
    theater__free(component);
}

void theater__actor_component_set_handler(theater_actor_component *component, const char *handler)
{
    component->handler = handler;
}

/* The interface without "@version". */
static theater_text without_version(const char *interface)
{
    const char *at = strchr(interface, '@');
    theater_text text = {interface, at != NULL ? (size_t)(at - interface) : strlen(interface)};
    return text;
}

static char *function_id(const char *interface, const char *name, size_t *out_size)
{
    theater_text bare = without_version(interface);
    theater__buffer buffer = {0};
    theater__buffer_put(&buffer, bare.data, bare.size);
    if (bare.size > 0) {
        theater__buffer_put_u8(&buffer, '.');
    }
    theater__buffer_put(&buffer, name, strlen(name));
    *out_size = buffer.size;
    char *id = buffer.failed ? NULL : theater__strndup((const char *)buffer.data, buffer.size);
    theater__buffer_deinit(&buffer);
    return id;
}

static theater__function *find_added(const theater_actor_component *component,
                                     theater_text interface, theater_text name)
{
    for (size_t i = 0; i < component->functions_count; i++) {
        theater__function *function = component->functions[i];
        if (strlen(function->interface) == interface.size && strlen(function->name) == name.size &&
            memcmp(function->interface, interface.data, interface.size) == 0 &&
            memcmp(function->name, name.data, name.size) == 0) {
            return function;
        }
    }
    return NULL;
}

static theater__function *function_copy(const theater_function *given, const char *handler)
{
    theater__function *function = theater__alloc_zeroed(1, sizeof(*function));
    if (function == NULL) {
        return NULL;
    }
    function->interface = theater__strndup(given->interface, strlen(given->interface));
    function->name = theater__strndup(given->name, strlen(given->name));
    function->id = function_id(given->interface, given->name, &function->id_size);
    if (given->signature != NULL) {
        function->signature = theater__strndup(given->signature, strlen(given->signature));
    }
    function->kind = given->kind;
    function->call = given->call;
    function->finish = given->finish;
    function->userdata = given->userdata;
    function->handler = handler;
    if (function->interface == NULL || function->name == NULL || function->id == NULL ||
        (given->signature != NULL && function->signature == NULL)) {
        function_free(function);
        return NULL;
    }
    return function;
}

static bool grow_functions(theater_actor_component *component)
{
    if (component->functions_count < component->functions_capacity) {
        return true;
    }
    size_t capacity = component->functions_capacity == 0 ? 8 : component->functions_capacity * 2;
    theater__function **grown =
        theater__realloc_array(component->functions, capacity, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    component->functions = grown;
    component->functions_capacity = capacity;
    return true;
}

theater_status theater_actor_component_add_function(theater_actor_component *component,
                                                    const theater_function *function,
                                                    theater_error *err)
{
    THEATER_ASSERT(component != NULL);
    THEATER_ASSERT(function != NULL);
    if (function->struct_size != sizeof(*function) || function->interface == NULL ||
        function->name == NULL || function->name[0] == '\0' || function->call == NULL ||
        function->kind < THEATER_FUNCTION_PURE || function->kind > THEATER_FUNCTION_WAIT) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "a host function needs an interface, a name, a kind and a callback; "
                             "start from THEATER_FUNCTION_INIT");
    }
    if (component->imports != NULL) {
        return theater__fail(err, THEATER_ERR_INVALID,
                             "'%s.%s' was added after the component was linked; add functions in "
                             "the handler's setup callback",
                             function->interface, function->name);
    }
    theater_text interface = {function->interface, strlen(function->interface)};
    theater_text name = {function->name, strlen(function->name)};
    if (find_added(component, interface, name) != NULL) {
        return theater__fail(err, THEATER_ERR_EXISTS, "the host function '%s.%s' was added already",
                             function->interface, function->name);
    }
    theater__function *copy = function_copy(function, component->handler);
    if (copy == NULL || !grow_functions(component)) {
        function_free(copy);
        return theater__fail_nomem(err);
    }
    component->functions[component->functions_count++] = copy;
    return THEATER_OK;
}

bool theater_actor_component_has_function(const theater_actor_component *component,
                                          const char *interface, const char *name)
{
    theater_text interface_text = {interface, strlen(interface)};
    theater_text name_text = {name, strlen(name)};
    return find_added(component, interface_text, name_text) != NULL;
}

theater_hash theater_actor_component_digest(const theater_actor_component *component)
{
    return component->digest;
}

const theater__function *theater__actor_component_function(const theater_actor_component *component,
                                                           theater_text id)
{
    for (size_t i = 0; i < component->functions_count; i++) {
        const theater__function *function = component->functions[i];
        if (function->id_size == id.size && memcmp(function->id, id.data, id.size) == 0) {
            return function;
        }
    }
    return NULL;
}

/* "func(duration: u64) -> result<_, string>" */
static void signature_to_text(theater__buffer *buffer, const theater__signature *signature)
{
    theater__buffer_put(buffer, "func(", 5);
    for (size_t i = 0; i < signature->params_count; i++) {
        if (i > 0) {
            theater__buffer_put(buffer, ", ", 2);
        }
        theater__buffer_put(buffer, signature->params[i].name.data, signature->params[i].name.size);
        theater__buffer_put(buffer, ": ", 2);
        theater__type_to_text(buffer, signature->params[i].type);
    }
    theater__buffer_put_u8(buffer, ')');
    if (signature->result != NULL) {
        theater__buffer_put(buffer, " -> ", 4);
        theater__type_to_text(buffer, signature->result);
    }
}

/* The text without its parameters' names: they are for people, a guest may use its own. */
static void strip_param_names(theater__buffer *buffer, const char *text)
{
    int depth = 0;
    size_t param = 0; /* where the running parameter began in the output */
    for (const char *p = text; *p != '\0'; p++) {
        depth += *p == '(' || *p == '<' || *p == '{';
        depth -= *p == ')' || (*p == '>' && p[-1] != '-') || *p == '}';
        theater__buffer_put_u8(buffer, (uint8_t)*p);
        if (depth == 1 && (*p == '(' || (*p == ' ' && p[-1] == ','))) {
            param = buffer->size;
        } else if (depth == 1 && *p == ' ' && p[-1] == ':' && !buffer->failed) {
            buffer->size = param;
        }
    }
    theater__buffer_put_u8(buffer, '\0');
}

static bool same_type(const char *a, const char *b, theater__buffer *bare_a,
                      theater__buffer *bare_b)
{
    strip_param_names(bare_a, a);
    strip_param_names(bare_b, b);
    return !bare_a->failed && !bare_b->failed &&
           strcmp((const char *)bare_a->data, (const char *)bare_b->data) == 0;
}

static theater_status check_signature(const theater__import *import,
                                      const theater__function *function, theater_error *err)
{
    if (function->signature == NULL) {
        return THEATER_OK;
    }
    theater__buffer text = {0};
    theater__buffer bare_a = {0};
    theater__buffer bare_b = {0};
    signature_to_text(&text, &import->signature);
    theater__buffer_put_u8(&text, '\0');
    theater_status status = THEATER_OK;
    if (text.failed) {
        status = theater__fail_nomem(err);
    } else if (!same_type((const char *)text.data, function->signature, &bare_a, &bare_b)) {
        status = theater__fail(err, THEATER_ERR_UNSUPPORTED,
                               "the component imports '%s.%s' as '%s', this host offers '%s'; "
                               "build it against the host's WIT",
                               function->interface, function->name, (const char *)text.data,
                               function->signature);
    }
    theater__buffer_deinit(&text);
    theater__buffer_deinit(&bare_a);
    theater__buffer_deinit(&bare_b);
    return status;
}

/* The mode of one import, and its function. */
static theater_status match_import(theater_actor_component *component, size_t index,
                                   bool trap_unknown, theater__import_mode *out_mode,
                                   theater_error *err)
{
    const theater__import *import = theater__component_import(component->code, index);
    theater__function *function = find_added(component, import->interface, import->name);
    if (function == NULL) {
        *out_mode = trap_unknown ? THEATER__IMPORT_TRAP : THEATER__IMPORT_UNKNOWN;
        return THEATER_OK;
    }
    theater_status status = check_signature(import, function, err);
    if (status != THEATER_OK) {
        return status;
    }
    component->imports[index] = function;
    bool may_wait = function->kind == THEATER_FUNCTION_WAIT ||
                    (function->kind == THEATER_FUNCTION_EFFECT && import->signature.result != NULL);
    *out_mode = may_wait ? THEATER__IMPORT_ASYNC : THEATER__IMPORT_SYNC;
    return THEATER_OK;
}

theater_status theater__actor_component_link(theater_actor_component *component, bool trap_unknown,
                                             theater_error *err)
{
    THEATER_ASSERT(component->code != NULL);
    THEATER_ASSERT(component->imports == NULL);
    size_t count = theater__component_imports_count(component->code);
    THEATER_AUTOFREE theater__import_mode *modes = theater__alloc_zeroed(count + 1, sizeof(*modes));
    component->imports = theater__alloc_zeroed(count + 1, sizeof(*component->imports));
    if (modes == NULL || component->imports == NULL) {
        return theater__fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        theater_status status = match_import(component, i, trap_unknown, &modes[i], err);
        if (status != THEATER_OK) {
            return status;
        }
    }
    return theater__component_link(component->code, modes, count, err);
}

bool theater_actor_instance_has_export(const theater_actor_instance *instance, const char *name)
{
    size_t index = 0;
    return instance->code != NULL &&
           theater__component_find_export(instance->code, name, &index, NULL) == THEATER_OK;
}
