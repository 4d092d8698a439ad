// A scripted upstream: one epoll loop that answers all four protocols so fast that the gateway is what is measured.
//
//     upstream PORT
//
// The model's name says how to answer, because every gateway passes it on: `fake-n40-d20` streams 40 pieces of text, one
// every 20 ms (d0: all at once); `fake-s400` answers with 400 bytes of text. Each streamed piece carries the time at which
// it was made, `@<15 digits: CLOCK_MONOTONIC in microseconds>@`, from which load.c sees how long it was under way.
//
// It never sleeps unless PEERS_SLEEP is set: see load.c.
//
// POST .../chat/completions, .../messages, .../responses, .../models/{model}:generateContent and :streamGenerateContent;
// GET /stats, GET /last (the last POST's body); other GETs answer 200.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replies.h"

typedef struct Connection {
    int fd;
    Buffer in, out;
    size_t sent;        // how much of `out` has left
    bool waits_to_send; // the socket's buffer is full
    Reply reply;
    int pause_ms;
    int piece;          // of the stream: the next one to make
    uint64_t due;       // when to make it
    struct Connection *earlier, *later; // in the list of those that are due
} Connection;

static int epoll;
static unsigned long long requests; // for /stats
static Buffer last_body;            // for /last
static Connection dues = {.earlier = &dues, .later = &dues};

// ---- who is due when: a list sorted by time. Pauses are mostly alike, so a new entry belongs at the end or close to it.

static void undue(Connection *c)
{
    if (!c->later)
        return;
    c->earlier->later = c->later;
    c->later->earlier = c->earlier;
    c->earlier = c->later = NULL;
}

static void make_due(Connection *c, uint64_t due)
{
    Connection *before = dues.earlier;
    while (before != &dues && before->due > due)
        before = before->earlier;
    c->due = due;
    c->earlier = before;
    c->later = before->later;
    before->later->earlier = c;
    before->later = c;
}

// ---- sending; functions that return bool say whether the connection is still there

static bool drop(Connection *c)
{
    undue(c);
    close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c->reply.said.at);
    free(c);
    return false;
}

static void watch(Connection *c, bool also_for_room)
{
    if (c->waits_to_send == also_for_room)
        return;
    c->waits_to_send = also_for_room;
    struct epoll_event e = {also_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, {.ptr = c}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static bool flush(Connection *c)
{
    while (c->sent < c->out.length) {
        ssize_t count = send(c->fd, c->out.at + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return drop(c);
        if (count < 0) {
            watch(c, true);
            return true;
        }
        c->sent += (size_t)count;
    }
    c->sent = c->out.length = 0;
    watch(c, false);
    return true;
}

static bool answer(Connection *c, const char *body, size_t length)
{
    appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
    append(&c->out, body, length);
    return flush(c);
}

static bool answer_whole(Connection *c)
{
    static Buffer body;
    body.length = 0;
    say_whole(&c->reply, &body);
    return answer(c, body.at, body.length);
}

static bool go_on_streaming(Connection *c)
{
    for (;;) {
        int piece = c->piece++;
        say_piece(&c->reply, piece, &c->out);
        if (piece > c->reply.pieces) {
            append(&c->out, "0\r\n\r\n", 5);
            return flush(c);
        }
        if (piece > 0 && c->pause_ms > 0) // the opening and the first piece leave together
            break;
    }
    uint64_t due = c->due + (uint64_t)c->pause_ms * 1000, now = now_us();
    make_due(c, due > now ? due : now);
    return flush(c);
}

static bool begin_stream(Connection *c)
{
    appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                     "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    c->piece = 0;
    c->due = now_us();
    return go_on_streaming(c);
}

// ---- reading requests

// What stands behind the first `key` of a text, a colon left out, or "". Enough for what the benchmark sends.
static const char *value_of(const char *key, const char *text, size_t length)
{
    const char *end = text + length, *at = memmem(text, length, key, strlen(key));
    if (!at)
        return "";
    for (at += strlen(key); at < end && (isspace((unsigned char)*at) || *at == ':'); at++)
        ;
    return at < end ? at : "";
}

static int number_in(const char *model, char letter, int otherwise)
{
    const char *end = model + strcspn(model, "\": "); // of a JSON string, or of its place in a path
    for (; model + 2 < end; model++)
        if (model[0] == '-' && model[1] == letter && isdigit((unsigned char)model[2]))
            return atoi(model + 2);
    return otherwise;
}

static bool path_ends(const char *head, const char *ending)
{
    const char *end = head + strcspn(head, " "); // of the method
    end += 1 + strcspn(end + 1, " ?\r");
    size_t length = strlen(ending);
    return (size_t)(end - head) >= length && !memcmp(end - length, ending, length);
}

static const struct {
    const char *ending; // of its path
    Protocol protocol;
} ROUTES[] = {{"/chat/completions", CHAT},
              {"/messages", MESSAGES},
              {"/responses", RESPONSES},
              {":generateContent", GEMINI},
              {":streamGenerateContent", GEMINI}};

static bool find_protocol(const char *head, Protocol *protocol)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++)
        if (path_ends(head, ROUTES[i].ending)) {
            *protocol = ROUTES[i].protocol;
            return true;
        }
    return false;
}

static bool answer_post(Connection *c, const char *head, const char *body, size_t length)
{
    requests++;
    last_body.length = 0;
    append(&last_body, body, length);
    if (!find_protocol(head, &c->reply.protocol)) {
        fprintf(stderr, "upstream: unexpected request: %.*s\n", (int)strcspn(head, "\r"), head);
        return drop(c);
    }
    const char *model = value_of("\"model\"", body, length);
    bool streams = *value_of("\"stream\"", body, length) == 't';
    if (c->reply.protocol == GEMINI) { // its body names neither
        model = value_of("/models/", head, strcspn(head, "\r"));
        streams = path_ends(head, ":streamGenerateContent");
    } else if (*model == '"') {
        model++;
    }
    c->reply.wants_usage = *value_of("\"include_usage\"", body, length) == 't';
    c->reply.pieces = number_in(model, 'n', 40);
    c->reply.bytes = number_in(model, 's', 400);
    c->pause_ms = number_in(model, 'd', 0);
    return streams ? begin_stream(c) : answer_whole(c);
}

static bool answer_get(Connection *c, const char *head)
{
    char stats[128];
    if (path_ends(head, "/last"))
        return answer(c, last_body.at, last_body.length);
    int length = snprintf(stats, sizeof stats, "{\"requests\":%llu,\"events\":%llu}", requests, events);
    return answer(c, stats, (size_t)length);
}

// One request at a time: whoever keeps a connection alive sends the next one after the answer's end.
static bool receive(Connection *c)
{
    Buffer *in = &c->in;
    reserve(in, 65536);
    ssize_t count = recv(c->fd, in->at + in->length, in->capacity - in->length - 1, 0);
    if (count < 0 && errno == EAGAIN)
        return true;
    if (count <= 0)
        return drop(c);
    in->length += (size_t)count;
    in->at[in->length] = 0;

    char *end = memmem(in->at, in->length, "\r\n\r\n", 4);
    if (!end)
        return true;
    *end = 0; // so that the head can be searched as a string
    const char *announced = strcasestr(in->at, "\r\ncontent-length:");
    size_t length = announced ? strtoul(announced + 17, NULL, 10) : 0;
    if (strcasestr(in->at, "\r\ntransfer-encoding:")) {
        fprintf(stderr, "upstream: a request without a content-length\n");
        return drop(c);
    }
    char *body = end + 4;
    if (in->length < (size_t)(body - in->at) + length) {
        *end = '\r';
        return true;
    }
    in->length = 0;
    return *in->at == 'P' ? answer_post(c, in->at, body, length) : answer_get(c, in->at);
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Connection *c = calloc(1, sizeof *c);
        struct epoll_event e = {EPOLLIN, {.ptr = c}};
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

// Rounded down: the last millisecond is spent polling, so that paced streams do not fall into step with the clock's ticks.
static int milliseconds_to_next(void)
{
    if (dues.later == &dues)
        return -1;
    uint64_t now = now_us(), due = dues.later->due;
    return due > now ? (int)((due - now) / 1000) : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 2;
    }
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("upstream");
        return 1;
    }
    epoll = epoll_create1(0);
    struct epoll_event ready[256], e = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    bool sleeps = getenv("PEERS_SLEEP");
    for (;;) {
        int count = epoll_wait(epoll, ready, 256, sleeps ? milliseconds_to_next() : 0);
        if (!count)
            sched_yield(); // the load shares this core
        for (int i = 0; i < count; i++) {
            Connection *c = ready[i].data.ptr;
            if (!c)
                accept_all(listener);
            else if (!(ready[i].events & EPOLLOUT) || flush(c))
                if (ready[i].events & ~(unsigned)EPOLLOUT)
                    receive(c);
        }
        for (uint64_t now = now_us(); dues.later != &dues && dues.later->due <= now;) {
            Connection *c = dues.later;
            undue(c);
            go_on_streaming(c);
        }
    }
}
