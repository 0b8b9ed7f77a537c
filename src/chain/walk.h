/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole chain, and walking it from genesis with everything checked: links, numbers, payloads, the
 * values in them, and the grammar of events. Verification and all exports are loops over
 * theater__walk_next().
 */
#ifndef CHAIN_WALK_H
#define CHAIN_WALK_H

#include <base/arena.h>
#include <chain/chain.h>
#include <chain/payload.h>

/* The header of a file of ours: magic, version, actor. */
#define THEATER__FILE_MAGIC_SIZE 8u
#define THEATER__FILE_HEADER_SIZE (THEATER__FILE_MAGIC_SIZE + 1u + sizeof(theater_id))
extern const uint8_t theater__file_magic[THEATER__FILE_MAGIC_SIZE];

struct theater_chain {
    uint8_t *data; /* everything that was loaded; owned */
    size_t size;
    bool is_foreign; /* Theater's own file: data is its text */
    bool has_header; /* data began as a file of ours */
    size_t frames_offset;
    theater_id actor; /* of the header if there is one, else of genesis, else zeros */
    char header_damage[96];
    char *damage;                  /* what the loader found behind the frames; owned, may be NULL */
    theater__chain_reader *cursor; /* theater_chain_next()'s memo of its last position; owned */
};

/* An event with its payload taken apart; that of redacted ones is zeros. */
typedef struct theater__walked {
    theater_event event;
    size_t frame_offset; /* in the frames */
    size_t frame_size;
    union {
        theater__call_payload call;     /* CALL */
        theater__request request;       /* WAIT, EFFECT, POST */
        theater__return ret;            /* RETURN */
        theater__answer answer;         /* ANSWER */
        theater__completion completion; /* COMPLETION; of what: theater__walk::open */
        theater__ending ending;         /* TERMINATE, END */
        theater__ambient ambient;       /* ENGINE, NOTE */
        theater__rebase rebase;         /* REBASE */
        int64_t delta_ms;               /* STEP */
    } of;
    bool ends_call;         /* RETURN, TERMINATE, END: a call was open, and is now over */
    theater_text call_name; /* the export of the call that the event belongs to, or empty */
    theater_values args;    /* CALL, requests, ANSWER: decoded, until the next event */
    bool has_result;        /* RETURN, ANSWER, COMPLETION */
    theater_value result;   /* likewise decoded */
} theater__walked;

typedef struct theater__walk {
    const theater_chain *chain;
    theater__chain_reader reader;
    theater__arena arena;   /* the values of the event at hand */
    theater_value lone_arg; /* those of most, which need no arena */
    theater__genesis genesis;
    bool is_in_call;
    bool has_ended;
    bool has_open; /* a WAIT or EFFECT without its COMPLETION */
    uint64_t open_seq;
    theater_event_kind open_kind;
    theater__request open; /* after a COMPLETION still what that completed */
    theater_text call_name;
} theater__walk;

void theater__walk_init(theater__walk *walk, const theater_chain *chain);
void theater__walk_deinit(theater__walk *walk);
/*
 * The next event. NOTFOUND at the end of an intact chain; CORRUPT names event
 * walk->reader.next_seq, the header and what the loader found damaged included.
 */
theater_status theater__walk_next(theater__walk *walk, theater__walked *out, theater_error *err);
/* For a COMPLETION just walked: decodes the arguments of what it completes into args. */
theater_status theater__walk_open_args(theater__walk *walk, theater__walked *walked,
                                       theater_error *err);

#endif
