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
    // Not `at` next to `end`: the compiler would load both at once, for which the processor has to wait until `at`, which
    // was written just before, is in the cache. That took a tenth of the reading.
    size_t at, capacity, end;
    bool compressed, ended;
    uint8_t *block;        // one compressed block
    size_t block_capacity;
} Stream;

Outcome stream_open(Stream *stream, const char *path);
// Adds bytes behind the unread ones, which may move. CAPTURE_END if there are no more.
Outcome stream_refill(Stream *stream);
void stream_close(Stream *stream);

// ---- bytes.c: bytes that grow

typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;  // there was no memory for some
} Bytes;

void bytes_add(Bytes *bytes, const void *more, size_t size);

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

// A place in a hash table of things that are kept elsewhere. The hash is here too, so that only those are looked at that are
// most probably the right one.
typedef struct {
    uint32_t hash, number;  // a number of 0 is an empty place
} HashPlace;

static inline uint32_t fold_hash(uint64_t mixed) {
    mixed *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(mixed ^ (mixed >> 32));
}

// ---- capture_frames.c: the stacks, numbered as memray numbers them

typedef struct {
    uint64_t code;
    int32_t offset;
    uint32_t parent, entry;
    uint32_t latest;  // of its children, the one that was asked for last; 0 for none
} FrameNode;

typedef struct {
    FrameNode *nodes;  // the first one is the root, which is no frame
    HashPlace *places;
    size_t count, capacity, mask;
} FrameTree;

// Returns the number of a stack, 0 if there is no memory.
uint32_t frame_tree_child(FrameTree *tree, const FrameNode *frame);
void frame_tree_free(FrameTree *tree);

// ---- capture_peak.c: the most that is live at once, as memray counts it

typedef struct {
    uint64_t start, end;
} Range;

typedef struct {
    Range *ranges;  // what is mapped, by start
    size_t count, capacity;
    uint64_t reach;  // the longest range that another one starts within; mostly there is none
    uint64_t now, top;
} Peak;

static inline void peak_add(Peak *peak, uint64_t size) {
    peak->now += size;
    if (peak->now > peak->top) peak->top = peak->now;
}

bool peak_map(Peak *peak, uint64_t address, uint64_t size);  // false if there is no memory
bool peak_unmap(Peak *peak, uint64_t address, uint64_t size);
bool peak_touches(const Peak *peak, uint64_t address, uint64_t size);  // whether any byte is mapped
void peak_clear(Peak *peak);

// ---- capture_maps.c: where libraries were

typedef struct {
    uint64_t start, end, base;  // an address less the base is the address that the library's file has
    uint32_t library;
} MapSegment;

typedef struct {
    char **libraries;  // their paths
    size_t library_count, latest;
    MapSegment *segments;  // by generation, and within one by start
    size_t segment_count;
    size_t *generations;  // the first segment of each; the first generation is number 1
    size_t generation_count;
    uint64_t base;  // of the latest library
} Maps;

// False if there is no memory.
bool maps_begin(Maps *maps);
bool maps_library(Maps *maps, const char *path, uint64_t base);
bool maps_segment(Maps *maps, uint64_t address, uint64_t size);
void maps_end(Maps *maps);
const MapSegment *maps_find(const Maps *maps, uint64_t generation, uint64_t address);  // NULL if nothing was there
void maps_free(Maps *maps);

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
} ThreadStack;

// One frame of C and C++ stacks; its number is its place plus one.
typedef struct {
    uint64_t instruction, caller;  // the caller's number is smaller, or 0 for none
} NativeFrame;

typedef struct {
    Stream stream;
    FrameTree tree;
    NumberMap thread_places;
    ThreadStack *threads;
    size_t thread_count, thread_capacity;
    ThreadStack *thread;  // the current one, NULL before the first
    uint64_t recent[16];  // the last addresses, in a ring that begins with the latest
    unsigned int latest;
    uint64_t pointer, native, generation;
    bool has_native;
    NumberMap marker_codes;  // places in `markers` by the number of the code
    char **markers;          // names of functions that leave markers
    size_t marker_count;
    NativeFrame *natives;
    size_t native_count, native_capacity;
    uint64_t instruction;
    Maps maps;
    Bytes preface;       // the header and all records of code
    size_t header_size;  // how much of it is the header
    bool again;     // on the second way through, when all of these are known
} Parser;

// Begins at the start of the file, for the first or the second time.
Outcome parser_begin(Parser *parser, const char *path);
Outcome parser_next(Parser *parser, Allocation *found);
void parser_end(Parser *parser);
// Whether a stack ends in a function that leaves markers, and which of `markers`.
bool parser_marker(const Parser *parser, uint32_t stack, size_t *place);

// ---- capture_outline.c: a capture of some Python stacks only, which memray resolves

typedef struct {
    uint32_t *numbers;
    size_t capacity;
} Numbers;

typedef struct {
    const Parser *parser;
    Bytes bytes;
    uint32_t *stacks;  // numbers there by the numbers in the whole capture, 0 for what is not there
    uint32_t stack_count;
    Numbers path;  // the stack that has been written last
    size_t depth;
} Outline;

bool outline_begin(Outline *outline, const Parser *parser);
uint32_t outline_stack(Outline *outline, uint32_t stack);     // returns its number there
void outline_end(Outline *outline, bool has_records);
void outline_free(Outline *outline);

// ---- capture_type.c

typedef struct {
    PyObject_HEAD
    PyObject *path;  // as bytes
    PyObject *libraries;  // the paths of the libraries in its maps, by number
    Parser parser;
    unsigned long long records, handed_out;
    PyObject *thread, *zero, *one;  // numbers that many records share
    PyObject *allocators[MUNMAP + 1];
    uint64_t thread_number;
} CaptureParser;

extern PyTypeObject capture_parser_type;
void raise_outcome(Outcome outcome);

// ---- capture_counters.c: what the classes of capture/ with the same names count in

typedef struct {
    PyObject_HEAD
    long long now, top, fall, local;
} Level;

typedef struct Tally {
    PyObject_HEAD
    Level *own, *whole;
    struct Tally *around;
    const struct Tally *root;  // the outermost one
    PyObject *sites, *ambient;
    long long freed;
    uint32_t number;
} Tally;

typedef struct Run {
    PyObject_HEAD
    Tally *tally;
    struct Run *parent;
    long long live, whole;
    char open;
} Run;

extern PyTypeObject level_type, tally_type, run_type;

// ---- capture_sites.c: what each stack allocated in one phase

typedef struct {
    PyObject_HEAD
    long long allocated, count, live, fall, at_peak;
    long long blocks;  // that are live
    uint64_t native;
    uint32_t stack, generation;
    bool by_native;  // whether the C and C++ frames distinguish it
} Site;

typedef struct {
    PyObject_HEAD
    Site **sites;      // in the order in which they came
    HashPlace *places;
    size_t count, capacity, mask;
} SiteTable;

// Before a site changes, or is asked: what it holds was live at the peak too, unless it changed since the latest fall.
static inline void site_touch(Site *site, long long fall) {
    if (site->fall == fall) return;
    site->at_peak = site->live;
    site->fall = fall;
}

extern PyTypeObject site_type, site_table_type;
// The site of the stack of an allocation, a new one that has allocated nothing if need be; NULL with an error set.
Site *site_table_find(SiteTable *table, const Allocation *allocation, bool by_native);

// ---- capture_blocks.c: live blocks by address

typedef struct {
    uint64_t address, size;
    Site *site;
    Run *run;  // NULL for a marker
} LiveBlock;

typedef struct {
    LiveBlock *places;  // one without a size and a run is empty
    size_t mask, used;
} LiveBlocks;

static inline size_t blocks_home(const LiveBlocks *blocks, uint64_t address) {
    uint64_t mixed = address * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed ^ (mixed >> 32)) & blocks->mask;
}

static inline void blocks_prefetch(const LiveBlocks *blocks, uint64_t address) {
    if (blocks->places) __builtin_prefetch(&blocks->places[blocks_home(blocks, address)], 1);
}

// The place of the block at an address, for the caller to fill; `older` is what was there, or empty. NULL if there is no
// memory.
LiveBlock *blocks_place(LiveBlocks *blocks, uint64_t address, LiveBlock *older);
bool blocks_take(LiveBlocks *blocks, uint64_t address, LiveBlock *block);
void blocks_clear(LiveBlocks *blocks);

// ---- capture_fold_type.c

extern PyTypeObject fold_type;
