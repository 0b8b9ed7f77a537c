/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime interface: `log` and `shutdown`.
 *
 * A log line is an effect without a result: the guest goes on at once, and the line is given out
 * when its event is durable. `shutdown` ends the actor, with the event saying that it asked for it.
 */
#include <theater/runtime.h>

#include <base/alloc.h>
#include <base/assert.h>
#include <base/error.h>

typedef struct runtime {
    theater_runtime_log_fn *log;
    void *userdata;
} runtime;

static const char *const interfaces[] = {"ntwk:theater/runtime", "ntwk:theater/runtime@0.1.0"};

static theater_status on_log(theater_call *call, theater_values args, void *userdata,
                             theater_error *err)
{
    const runtime *self = userdata;
    /* A line that another process recorded comes out of a file, not out of a guest. */
    if (args.count != 1 || args.data[0].kind != THEATER_VALUE_STRING) {
        return theater__fail(err, THEATER_ERR_CORRUPT, "its argument is not one string");
    }
    if (self->log != NULL) {
        theater_token token = theater_call_token(call);
        theater_runtime_line line = {token.actor, token.seq, theater_call_now(call),
                                     args.data[0].of.text};
        self->log(&line, self->userdata);
    }
    return THEATER_OK;
}

static theater_status on_shutdown(theater_call *call, theater_values args, void *userdata,
                                  theater_error *err)
{
    (void)args;
    (void)userdata;
    (void)err;
    theater_call_end(call, THEATER_END_SHUTDOWN, "the actor asked for its shutdown");
    return THEATER_OK;
}

static theater_status handler_setup(void *self, theater_actor_component *component,
                                    theater_error *err)
{
    for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++) {
        theater_function log = {sizeof(theater_function), interfaces[i], "log", "func(msg: string)",
                                THEATER_FUNCTION_EFFECT,  on_log,        NULL,  self};
        theater_function shutdown = {sizeof(theater_function),
                                     interfaces[i],
                                     "shutdown",
                                     "func(data: option<list<u8>>) -> result<_, string>",
                                     THEATER_FUNCTION_WAIT,
                                     on_shutdown,
                                     NULL,
                                     self};
        theater_status status = theater_actor_component_add_function(component, &log, err);
        if (status == THEATER_OK) {
            status = theater_actor_component_add_function(component, &shutdown, err);
        }
        if (status != THEATER_OK) {
            return status;
        }
    }
    return THEATER_OK;
}

static void handler_release(void *self)
{
    theater__free(self);
}

theater_status theater_runtime_handler(theater_runtime_log_fn *log, void *userdata,
                                       theater_handler *out_handler, theater_error *err)
{
    THEATER_ASSERT(out_handler != NULL);
    runtime *self = theater__alloc_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return theater__fail_nomem(err);
    }
    self->log = log;
    self->userdata = userdata;
    theater_handler handler = THEATER_HANDLER_INIT;
    handler.name = "runtime";
    handler.self = self;
    handler.setup = handler_setup;
    handler.release = handler_release;
    *out_handler = handler;
    return THEATER_OK;
}
