/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket as a friend meets it: its name and who is let in, looking, acting, listening.
 */
#include "desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static const char *text_of(theater_id id)
{
    static char text[THEATER_ID_TEXT_SIZE];
    theater_id_format(id, text);
    return text;
}

static theater_id spawn_sleeper(desk *d)
{
    theater_id id = desk_spawn(d, EXAMPLE_GUESTS, "sleep.wat", "run", "[3600000]");
    desk_until(d, id, THEATER_ACTOR_ASLEEP);
    return id;
}

/* ---- the name -------------------------------------------------------------------------------- */

static void socket__is_the_owners_alone_whatever_the_umask(void **state)
{
    (void)state;
    static const mode_t umasks[] = {0, 022, 0777};
    for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
        desk d;
        struct stat found;
        desk_open(&d, NULL);
        theater_control_close(d.control);
        assert_int_equal(stat(d.path, &found), -1);
        mode_t before = umask(umasks[i]);
        assert_int_equal(theater_control_open(d.host, d.path, NULL, &d.control, NULL), THEATER_OK);
        (void)umask(before);
        assert_int_equal(stat(d.path, &found), 0);
        assert_true(S_ISSOCK(found.st_mode));
        assert_int_equal(found.st_mode & 0777 & ~0600u, 0);
        assert_true(umasks[i] == 0777 || (found.st_mode & 0777) == 0600);
        desk_close(&d);
    }
}

static void socket__of_a_dead_process_is_replaced_one_that_answers_is_not(void **state)
{
    (void)state;
    desk d;
    theater_error err = THEATER_ERROR_INIT;
    theater_control *second = NULL;
    desk_open(&d, NULL);
    assert_int_equal(theater_control_open(d.host, d.path, NULL, &second, &err), THEATER_ERR_EXISTS);
    assert_has(err.message, "answers");
    theater_control_close(d.control);
    d.control = NULL;

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(close(dead), 0);
    assert_int_equal(theater_control_connect(d.path, &dead, &err), THEATER_ERR_NOTFOUND);
    assert_int_equal(theater_control_open(d.host, d.path, NULL, &d.control, &err), THEATER_OK);
    caller c;
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{\"do\":\"hello\"}"), "\"protocol\":1");
    caller_close(&c);
    desk_close(&d);
}

static void socket__leaves_alone_what_is_not_its_own(void **state)
{
    (void)state;
    desk d;
    theater_error err = THEATER_ERROR_INIT;
    theater_control *second = NULL;
    struct stat found;
    char path[128];
    desk_open(&d, NULL);
    (void)snprintf(path, sizeof(path), "%s/file", d.directory);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(close(fd), 0);
    assert_int_equal(theater_control_open(d.host, path, NULL, &second, &err), THEATER_ERR_EXISTS);
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISREG(found.st_mode));
    assert_int_equal(theater_control_connect(path, &fd, &err), THEATER_ERR_NOTFOUND);

    /* Somebody took the name: it is not removed with ours. */
    assert_int_equal(unlink(d.path), 0);
    fd = open(d.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(close(fd), 0);
    theater_control_close(d.control);
    d.control = NULL;
    assert_int_equal(stat(d.path, &found), 0);

    assert_int_equal(chmod(d.directory, 0777), 0);
    assert_int_equal(theater_control_open(d.host, d.path, NULL, &d.control, &err),
                     THEATER_ERR_INVALID);
    assert_has(err.message, "chmod 0700");
    desk_close(&d);
}

static void socket__path_may_be_longer_than_an_address(void **state)
{
    (void)state;
    desk d;
    theater_control *far = NULL;
    char path[1024];
    desk_open(&d, NULL);
    size_t size = (size_t)snprintf(path, sizeof(path), "%s", d.directory);
    for (int i = 0; i < 3; i++) {
        size += (size_t)snprintf(path + size, sizeof(path) - size, "/%0100d", i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(path + size, sizeof(path) - size, "/control.sock");
    assert_int_equal(theater_control_open(d.host, path, NULL, &far, NULL), THEATER_OK);
    int fd = -1;
    assert_int_equal(theater_control_connect(path, &fd, NULL), THEATER_OK);
    assert_int_equal(close(fd), 0);
    theater_control_close(far);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(theater_control_connect(path, &fd, NULL), THEATER_ERR_NOTFOUND);
    desk_close(&d);
}

/* The mode keeps others out; if that is undone, the kernel's word about the other end does. */
static void socket__another_user_is_not_let_in(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    desk d;
    desk_open(&d, NULL);
    assert_int_equal(chmod(d.directory, 0755), 0);
    assert_int_equal(chmod(d.path, 0666), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = 0;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.path);
        bool is_other = setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
        bool is_in = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
        /* It may have been shut out by now: that is an answer, not a reason to die of SIGPIPE. */
        (void)!send(fd, "{\"do\":\"hello\"}\n", 15, MSG_NOSIGNAL);
        _exit(!is_other ? 2 : !is_in ? 3 : read(fd, &byte, 1) > 0 ? 4 : 0);
    }
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        desk_pump(&d);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    desk_close(&d);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look__says_what_the_host_knows(void **state)
{
    (void)state;
    desk d;
    caller c;
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    caller_open(&d, &c);
    const char *hello = caller_ask(&d, &c, "{\"do\":\"hello\"}");
    assert_has(hello, "\"actors\":1");
    assert_has(hello, "\"level\":\"durable\"");
    assert_has(hello, "\"you\":\"uid ");
    const char *ps = caller_ask(&d, &c, "{\"do\":\"ps\"}");
    assert_has(ps, text_of(id));
    assert_has(ps, "\"state\":\"asleep\"");
    assert_has(ps, "\"next\":null");
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\",\"from\":1}"), "\"actors\":[]");
    assert_has(caller_ask(&d, &c, "{\"do\":\"show\",\"id\":\"%s\"}", text_of(id)), "\"wait\":3");
    assert_has(caller_ask(&d, &c, "{\"do\":\"dance\"}"), "THEATER_ERR_UNSUPPORTED");
    assert_has(caller_ask(&d, &c, "{\"do\":\"show\"}"), "THEATER_ERR_INVALID");
    assert_has(caller_ask(&d, &c, "{\"do\":\"show\",\"id\":\"me\"}"), "THEATER_ERR_INVALID");
    assert_has(
        caller_ask(&d, &c, "{\"do\":\"show\",\"id\":\"00000000-0000-4000-8000-00000000dead\"}"),
        "THEATER_ERR_NOTFOUND");
    caller_close(&c);
    desk_close(&d);
}

static void ps__comes_in_pages(void **state)
{
    (void)state;
    enum {
        ACTORS = 300
    };
    desk d;
    caller c;
    desk_open(&d, NULL);
    for (int i = 0; i < ACTORS; i++) {
        (void)desk_spawn(&d, EXAMPLE_GUESTS, "sleep.wat", "run", "[3600000]");
    }
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{\"do\":\"ps\"}"), "\"next\":256}");
    const char *rest = caller_ask(&d, &c, "{\"do\":\"ps\",\"from\":256}");
    assert_has(rest, "\"next\":null}");
    unsigned count = 0;
    for (const char *at = rest; (at = strstr(at, "\"state\"")) != NULL; at++) {
        count++;
    }
    assert_int_equal(count, ACTORS - 256);
    caller_close(&c);
    desk_close(&d);
}

/* ---- acting ---------------------------------------------------------------------------------- */

static void act__is_answered_when_it_is_durable_and_names_the_user(void **state)
{
    (void)state;
    desk d;
    caller c;
    char by[THEATER_CONTROL_BY_SIZE];
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    caller_open(&d, &c);
    const char *reply =
        caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":\"%s\",\"by\":\"deploy\"}", text_of(id));
    assert_has(reply, "\"ok\":true");
    assert_has(reply, "\"seq\":4");
    assert_int_equal(theater_control_by("deploy", by, NULL), THEATER_OK);
    assert_has(reply, by);
    assert_int_equal(desk_occurrences(&d, id, by), 1); /* on the disk already */
    assert_int_equal(desk_occurrences(&d, id, "\"outcome\":\"woken\""), 1);
    desk_until(&d, id, THEATER_ACTOR_ENDED);
    assert_has(caller_ask(&d, &c, "{\"do\":\"wake\",\"id\":\"%s\"}", text_of(id)),
               "THEATER_ERR_NOTFOUND");
    caller_close(&c);
    desk_close(&d);
}

static void act__cancels_a_wait_or_the_actor(void **state)
{
    (void)state;
    desk d;
    caller c;
    desk_open(&d, NULL);
    theater_id first = spawn_sleeper(&d);
    theater_id second = spawn_sleeper(&d);
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{\"do\":\"cancel-wait\",\"id\":\"%s\"}", text_of(first)),
               "\"do\":\"cancel-wait\"");
    desk_until(&d, first, THEATER_ACTOR_ENDED);
    assert_int_equal(desk_occurrences(&d, first, "\"outcome\":\"cancelled\""), 1);
    assert_has(caller_ask(&d, &c, "{\"do\":\"cancel\",\"id\":\"%s\"}", text_of(second)),
               "\"ok\":true");
    assert_int_equal(desk_occurrences(&d, second, "\"kind\":\"end\""), 1);
    assert_int_equal(desk_occurrences(&d, second, "ended by uid "), 2);
    assert_has(caller_ask(&d, &c, "{\"do\":\"resume\",\"id\":\"%s\"}", text_of(second)),
               "THEATER_ERR_NOTFOUND");
    caller_close(&c);
    desk_close(&d);
}

/* Several lines at once: answered in their order, acts included. */
static void act__replies_keep_the_order_of_requests(void **state)
{
    (void)state;
    desk d;
    caller c;
    char text[512];
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    caller_open(&d, &c);
    int size = snprintf(text, sizeof(text),
                        "{\"do\":\"hello\"}\n{\"do\":\"cancel\",\"id\":\"%s\"}\n"
                        "{\"do\":\"show\",\"id\":\"%s\"}\n{\"do\":\"ps\"}\n",
                        text_of(id), text_of(id));
    caller_send(&d, &c, text, (size_t)size);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0); /* `nc -N` */
    assert_has(caller_line(&d, &c), "\"do\":\"hello\"");
    assert_has(caller_line(&d, &c), "\"do\":\"cancel\"");
    assert_has(caller_line(&d, &c), "\"state\":\"ended\"");
    assert_has(caller_line(&d, &c), "\"do\":\"ps\"");
    assert_null(caller_line(&d, &c));
    caller_close(&c);
    desk_close(&d);
}

static void act__goes_on_when_its_client_has_gone(void **state)
{
    (void)state;
    desk d;
    caller c;
    char text[128];
    desk_open(&d, NULL);
    theater_id id = spawn_sleeper(&d);
    caller_open(&d, &c);
    int size = snprintf(text, sizeof(text), "{\"do\":\"cancel\",\"id\":\"%s\"}\n", text_of(id));
    assert_int_equal(send(c.fd, text, (size_t)size, MSG_NOSIGNAL), size);
    caller_close(&c);
    desk_until(&d, id, THEATER_ACTOR_ENDED);
    desk_pump(&d);
    /* And when the socket itself is closed before the act is durable. */
    id = spawn_sleeper(&d);
    caller_open(&d, &c);
    size = snprintf(text, sizeof(text), "{\"do\":\"cancel\",\"id\":\"%s\"}\n", text_of(id));
    assert_int_equal(send(c.fd, text, (size_t)size, MSG_NOSIGNAL), size);
    for (int i = 0; i < 10; i++) { /* let in, read, begun; perhaps done */
        assert_int_equal(theater_host_dispatch(d.host, NULL, NULL), THEATER_OK);
    }
    theater_control_close(d.control);
    d.control = NULL;
    desk_until(&d, id, THEATER_ACTOR_ENDED);
    caller_close(&c);
    desk_close(&d);
}

/* ---- listening ------------------------------------------------------------------------------- */

static void subscribe__gives_lines_and_ends_in_chain_order(void **state)
{
    (void)state;
    desk d;
    caller c;
    char id[THEATER_ID_TEXT_SIZE];
    desk_open(&d, NULL);
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{\"do\":\"subscribe\"}"), "\"queue_bytes_max\":262144");
    theater_id_format(desk_spawn(&d, CLI_GUESTS, "kit.wat", "pause", "[5]"), id);
    const char *line = caller_line(&d, &c);
    assert_has(line, "{\"event\":\"line\"");
    assert_has(line, id);
    line = caller_line(&d, &c);
    assert_has(line, "{\"event\":\"finished\"");
    assert_has(line, id);
    assert_has(line, "\"reason\":\"returned\"");
    assert_has(line, "\"result\":{\"ok\":");
    /* It may still ask. */
    assert_has(caller_ask(&d, &c, "{\"do\":\"hello\"}"), "\"do\":\"hello\"");
    caller_close(&c);
    desk_close(&d);
}

/* One that does not read costs a bounded queue; the one beside it misses nothing. */
static void subscribe__a_slow_one_lags_and_is_let_go(void **state)
{
    (void)state;
    enum {
        ROUNDS = 40,
        TEXT = 60000
    };
    desk d;
    caller slow;
    caller quick;
    theater_control_options options = THEATER_CONTROL_OPTIONS_INIT;
    options.queue_bytes_max = 128 << 10;
    desk_open(&d, &options);
    caller_open(&d, &slow);
    caller_open(&d, &quick);
    assert_has(caller_ask(&d, &slow, "{\"do\":\"subscribe\"}"), "\"ok\":true");
    assert_has(caller_ask(&d, &quick, "{\"do\":\"subscribe\"}"), "\"ok\":true");
    static char text[TEXT];
    memset(text, 'x', sizeof(text));
    theater_runtime_line line = {.text = {text, sizeof(text)}};
    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        char part[32];
        line.seq = seq;
        theater_control_line(d.control, &line);
        (void)snprintf(part, sizeof(part), "\"seq\":%lu,", (unsigned long)seq);
        assert_has(caller_line(&d, &quick), part);
    }
    unsigned got = 0;
    const char *last = "";
    static char kept[256];
    for (const char *at = caller_line(&d, &slow); at != NULL; at = caller_line(&d, &slow)) {
        char part[32];
        (void)snprintf(part, sizeof(part), "\"seq\":%u", ++got);
        assert_has(at, part); /* whole and in order, `lagging` with the first that is missing */
        (void)snprintf(kept, sizeof(kept), "%s", at);
        last = kept;
    }
    assert_has(last, "{\"event\":\"lagging\"");
    assert_true(got > 1 && got < ROUNDS);
    caller_close(&slow);
    caller_close(&quick);
    desk_close(&d);
}

static void subscribe__what_is_too_long_is_left_out(void **state)
{
    (void)state;
    desk d;
    caller c;
    desk_open(&d, NULL);
    caller_open(&d, &c);
    assert_has(caller_ask(&d, &c, "{\"do\":\"subscribe\"}"), "\"ok\":true");
    static char text[70000];
    memset(text, 'x', sizeof(text));
    theater_runtime_line line = {.seq = 7, .text = {text, sizeof(text)}};
    theater_control_line(d.control, &line);
    assert_has(caller_line(&d, &c), "\"seq\":7,\"wall\":0,\"text\":null,\"left_out\":true}");
    caller_close(&c);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket__is_the_owners_alone_whatever_the_umask),
        cmocka_unit_test(socket__of_a_dead_process_is_replaced_one_that_answers_is_not),
        cmocka_unit_test(socket__leaves_alone_what_is_not_its_own),
        cmocka_unit_test(socket__path_may_be_longer_than_an_address),
        cmocka_unit_test(socket__another_user_is_not_let_in),
        cmocka_unit_test(look__says_what_the_host_knows),
        cmocka_unit_test(ps__comes_in_pages),
        cmocka_unit_test(act__is_answered_when_it_is_durable_and_names_the_user),
        cmocka_unit_test(act__cancels_a_wait_or_the_actor),
        cmocka_unit_test(act__replies_keep_the_order_of_requests),
        cmocka_unit_test(act__goes_on_when_its_client_has_gone),
        cmocka_unit_test(subscribe__gives_lines_and_ends_in_chain_order),
        cmocka_unit_test(subscribe__a_slow_one_lags_and_is_let_go),
        cmocka_unit_test(subscribe__what_is_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
