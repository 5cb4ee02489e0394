// What the files that parse memray's captures share; see docs/native.md.
#pragma once

#include "core.h"

// What a step of the parser comes to. Whatever is not exactly as memray writes it is CAPTURE_ODD: memray's own reader
// decides about it.
typedef enum { CAPTURE_OK, CAPTURE_END, CAPTURE_SHORT, CAPTURE_ODD, CAPTURE_NO_MEMORY } Outcome;

// ---- capture_stream.c: the bytes of a capture, plain or as an LZ4 frame

typedef struct {
    int fd;
    uint8_t *bytes;        // `at` to `end` are unread; up to 64 KiB before `end` stay for LZ4 to copy from
    size_t at, end, capacity;
    bool compressed, ended;
    uint8_t *block;        // one compressed block
    size_t block_capacity;
} Stream;

Outcome stream_open(Stream *stream, const char *path);
// Adds bytes behind the unread ones, which may move. CAPTURE_END if there are no more.
Outcome stream_refill(Stream *stream);
void stream_close(Stream *stream);

// ---- number_map.c: a map of 64-bit numbers

typedef struct {
    uint64_t key, value;
} Pair;

typedef struct {
    Pair *pairs;  // a key of 0 is an empty place
    size_t mask, used;
    bool has_zero;
    uint64_t zero;
} NumberMap;

bool map_put(NumberMap *map, uint64_t key, uint64_t value);  // false if there is no memory
bool map_find(const NumberMap *map, uint64_t key, uint64_t *value);
bool map_take(NumberMap *map, uint64_t key, uint64_t *value);  // removes it
void map_free(NumberMap *map);

// ---- capture_frames.c: the stacks, numbered as memray numbers them

typedef struct {
    uint64_t code;
    int32_t offset;
    uint32_t parent;
    bool entry;
} FrameNode;

typedef struct {
    FrameNode *nodes;  // the first one is the root, which is no frame
    uint32_t *places;  // a hash table of indices into `nodes`, 0 for an empty place
    size_t count, capacity, mask;
} FrameTree;

// Returns the number of a stack, 0 if there is no memory.
uint32_t frame_tree_child(FrameTree *tree, FrameNode frame, bool *is_new);
void frame_tree_free(FrameTree *tree);

// ---- capture_peak.c: the most that is live at once, as memray counts it

typedef struct {
    uint64_t start, end;
} Range;

typedef struct {
    NumberMap blocks;
    Range *ranges;
    size_t count, capacity;
    uint64_t now, top;
} Peak;

bool peak_allocate(Peak *peak, uint64_t address, uint64_t size, bool is_mapping);
bool peak_free(Peak *peak, uint64_t address, uint64_t size, bool is_mapping);
void peak_clear(Peak *peak);

// ---- capture_outline.c: a capture without its allocations but one, from which memray resolves every stack

typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;
    uint64_t thread, native;  // as last written
    bool has_thread;
} Outline;

void outline_add(Outline *outline, const uint8_t *bytes, size_t size);
void outline_thread(Outline *outline, uint64_t thread);
void outline_pop(Outline *outline, uint32_t count);
void outline_push(Outline *outline, const FrameNode *frame);
void outline_native(Outline *outline, const uint8_t *before, size_t size, uint64_t index);
void outline_end(Outline *outline, uint64_t thread, bool native);

// ---- capture_parser.c: the records

enum { PYMALLOC_FREE = 1, FREE = 5, MALLOC = 6, MMAP = 14, MUNMAP = 15 };

typedef struct {
    uint64_t thread, address, size, native, generation;
    uint32_t stack;
    uint8_t allocator;
} Allocation;

typedef struct {
    uint64_t thread;
    uint32_t *stack;
    uint32_t depth, capacity;
    uint32_t written, common;  // frames that the outline has of this thread; how many of these are still right
} ThreadStack;

typedef struct {
    Stream stream;
    FrameTree tree;
    NumberMap thread_places;
    ThreadStack *threads;
    size_t thread_count, thread_capacity;
    ThreadStack *thread;  // the current one, NULL before the first
    uint64_t recent[15];
    uint64_t pointer, native, generation;
    bool has_native;
    Outline *outline;  // where to write the outline to; NULL on the second way through
} Parser;

Outcome parser_begin(Parser *parser, const char *path, Outline *outline);
Outcome parser_next(Parser *parser, Allocation *found);
void parser_end(Parser *parser);

// ---- capture_type.c

extern PyTypeObject capture_parser_type;
