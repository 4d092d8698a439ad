// What the scripted upstream says, in the words of each of the four protocols.

#pragma once
#include <stdbool.h>

#include "buffer.h"

typedef enum { CHAT, MESSAGES, RESPONSES, GEMINI } Protocol;

typedef struct {
    Protocol protocol;
    bool wants_usage; // Chat only tells it when asked
    int pieces;       // of a streamed reply
    int bytes;        // of a whole one
    Buffer said;      // the text until now: Responses says it again at the end
} Reply;

extern unsigned long long events; // that streams were made of, until now

// Piece 0 opens a stream, 1 to `pieces` are its text, the one after them ends it; each as chunks of HTTP's chunked coding.
void say_piece(Reply *reply, int piece, Buffer *out);

// The JSON of a reply that is not streamed.
void say_whole(const Reply *reply, Buffer *out);

__attribute__((format(printf, 2, 3))) void appendf(Buffer *b, const char *format, ...);
