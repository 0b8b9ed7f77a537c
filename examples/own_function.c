/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host functions of one's own: an interface `acme:desk/approval` of two functions.
 *
 *     price    RECORDED  a lookup; its answer is in the chain, and is given again on replay
 *     approve  WAIT      a person decides; the program completes the token when they have
 *
 *     own_function STORE COMPONENT [die]
 *
 * The decision comes 200 ms after the program saw the request. With `die` the program kills itself
 * while it is open. Started again on the same store, it finds the wait where it was: the actor is
 * known by its id, what it waits for by its token, {id, wait_seq}. Nothing is looked up or asked a
 * second time. In the end the chain is verified and executed again.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <theater.h>
#include <unistd.h>

#define INTERFACE "acme:desk/approval"
#define DECISION_NS 200000000
#define ID_TEXT "6f1c7d4e-93a5-4c1b-8f0e-2d5b7a9c0e11"

typedef struct desk {
    theater_host *host;
    theater_id actor;
    theater_token open; /* seq 0: nobody is waiting for a decision */
    int timer;
    bool dies;
    bool is_finished;
} desk;

/* ---- the interface --------------------------------------------------------------------------- */

static theater_status on_price(theater_call *call, theater_values args, void *userdata,
                               theater_error *err)
{
    (void)userdata;
    theater_text item = args.data[0].of.text;
    printf("looking up the price of '%.*s'\n", (int)item.size, item.data);
    theater_value price = theater_value_u64(item.size * 10);
    return theater_call_return(call, &price, err);
}

static theater_status on_approve(theater_call *call, theater_values args, void *userdata,
                                 theater_error *err)
{
    (void)userdata;
    (void)err;
    theater_text item = args.data[0].of.text;
    printf("asking for '%.*s' at %d\n", (int)item.size, item.data, (int)args.data[1].of.u64);
    theater_call_wait_token(call);
    return THEATER_OK;
}

static theater_status setup(void *self, theater_actor_component *component, theater_error *err)
{
    theater_function price = THEATER_FUNCTION_INIT;
    price.interface = INTERFACE;
    price.name = "price";
    price.signature = "func(item: string) -> u64";
    price.kind = THEATER_FUNCTION_RECORDED;
    price.call = on_price;
    price.userdata = self;
    theater_function approve = THEATER_FUNCTION_INIT;
    approve.interface = INTERFACE;
    approve.name = "approve";
    approve.signature = "func(item: string, price: u64) -> string";
    approve.kind = THEATER_FUNCTION_WAIT;
    approve.call = on_approve; /* no finish: the completing value is the result */
    approve.userdata = self;
    theater_status status = theater_actor_component_add_function(component, &price, err);
    return status == THEATER_OK ? theater_actor_component_add_function(component, &approve, err)
                                : status;
}

/* ---- the program ----------------------------------------------------------------------------- */

static bool on_finished(const theater_finished *finished, void *userdata)
{
    desk *d = userdata;
    d->is_finished = true;
    printf("%s", theater_end_reason_name(finished->reason));
    if (finished->result != NULL) {
        printf(": %.*s", (int)finished->result->of.text.size, finished->result->of.text.data);
    }
    printf("\n");
    return true;
}

/*
 * Looks for an actor that waits for a decision: one that has just asked, or one of an earlier
 * start.
 */
static int find_open(const theater_actor_info *info, void *userdata)
{
    desk *d = userdata;
    if (info->state != THEATER_ACTOR_WAITING) {
        return 0;
    }
    d->open.actor = info->id;
    d->open.seq = info->wait_seq;
    return 1;
}

static bool notice_open(desk *d)
{
    const struct itimerspec once = {{0, 0}, {0, DECISION_NS}};
    /* Active is what goes on by itself; a wait that is not in the store yet is part of it. */
    if (d->open.seq != 0 || theater_host_active(d->host) > 0) {
        return true;
    }
    theater_host_visit(d->host, find_open, d);
    if (d->open.seq == 0) {
        return true;
    }
    printf("event %d waits for a decision\n", (int)d->open.seq);
    if (d->dies) {
        (void)raise(SIGKILL);
    }
    return timerfd_settime(d->timer, 0, &once, NULL) == 0;
}

static bool decide(desk *d, theater_error *err)
{
    uint64_t expirations = 0;
    const theater_value verdict = theater_value_text("granted", 7);
    if (read(d->timer, &expirations, sizeof(expirations)) != (ssize_t)sizeof(expirations)) {
        return errno == EAGAIN;
    }
    theater_token token = d->open;
    d->open.seq = 0;
    return theater_host_complete(d->host, token, &verdict, "desk", err) == THEATER_OK;
}

static bool loop(desk *d, theater_error *err)
{
    struct pollfd fds[2] = {{theater_host_fd(d->host), POLLIN, 0}, {d->timer, POLLIN, 0}};
    while (true) {
        bool more = false;
        if (theater_host_dispatch(d->host, &more, err) != THEATER_OK) {
            return false;
        }
        if (d->is_finished && theater_host_active(d->host) == 0) {
            return true; /* the end is acknowledged, and that is in the store */
        }
        if (!notice_open(d) || (poll(fds, 2, -1) < 0 && errno != EINTR) || !decide(d, err)) {
            return false;
        }
    }
}

static bool run(desk *d, const char *component_path, theater_error *err)
{
    theater_handler handler = THEATER_HANDLER_INIT;
    handler.name = "approval";
    handler.self = d;
    handler.setup = setup;
    theater_actor_component *component = NULL;
    theater_spawn_options actor = THEATER_SPAWN_OPTIONS_INIT;
    actor.id = &d->actor; /* at a second start it is there, with an equal genesis: this is OK */
    actor.export_name = "buy";
    actor.args_json = "[\"lamp\"]";
    theater_host_on_finished(d->host, on_finished, d);
    return theater_host_add_handler(d->host, &handler, err) == THEATER_OK &&
           theater_host_open(d->host, err) == THEATER_OK &&
           theater_host_load_component_file(d->host, component_path, &component, err) ==
               THEATER_OK &&
           theater_host_spawn(d->host, component, &actor, NULL, err) == THEATER_OK && loop(d, err);
}

/* ---- the proof ------------------------------------------------------------------------------- */

static size_t read_file(const char *path, char *out_bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got = 0;
    if (file != NULL) {
        got = fread(out_bytes, 1, size, file);
        (void)fclose(file);
    }
    return got;
}

static bool audit(desk *d, const char *store, const char *component_path, theater_error *err)
{
    static char bytes[65536];
    size_t size = read_file(component_path, bytes, sizeof(bytes));
    theater_chain *chain = NULL;
    theater_chain_report links;
    theater_replay_report again;
    if (theater_chain_open_store(store, d->actor, &chain, err) != THEATER_OK) {
        return false;
    }
    bool ok = theater_chain_verify(chain, NULL, &links, err) == THEATER_OK &&
              theater_chain_replay(d->host, chain, bytes, size, &again, err) == THEATER_OK;
    if (ok) {
        printf("verify: %s\nreplay: %s\n", links.message, again.message);
    }
    theater_chain_free(chain);
    return ok;
}

int main(int argc, char **argv)
{
    theater_error err = THEATER_ERROR_INIT;
    theater_host_options options = THEATER_HOST_OPTIONS_INIT;
    desk d;
    memset(&d, 0, sizeof(d));
    d.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (argc < 3 || d.timer < 0 || theater_id_parse(ID_TEXT, &d.actor, &err) != THEATER_OK) {
        (void)fprintf(stderr, "usage: own_function STORE COMPONENT [die]\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    options.store_url = argv[1];
    d.dies = argc > 3 && strcmp(argv[3], "die") == 0;
    bool ok = theater_host_new(&options, &d.host, &err) == THEATER_OK && run(&d, argv[2], &err) &&
              audit(&d, argv[1], argv[2], &err);
    theater_host_free(d.host);
    (void)close(d.timer);
    if (!ok) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    return ok ? 0 : 1;
}
