// Live blocks by address: open addressing, with backward shifts on removal.
#include "capture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };  // blocks are all over the table, so that small pages cost more than all the rest

static bool is_empty(const LiveBlock *place) { return !place->run && !place->size; }

static inline LiveBlock *find(const LiveBlocks *blocks, uint64_t address) {
    size_t place = blocks_home(blocks, address);
    while (blocks->places[place].address != address && !is_empty(&blocks->places[place]))
        place = (place + 1) & blocks->mask;
    return &blocks->places[place];
}

static LiveBlock *new_places(size_t count) {
    size_t size = count * sizeof(LiveBlock);
    if (size < HUGE_PAGE) return calloc(1, size);
    void *places = aligned_alloc(HUGE_PAGE, size);
    if (!places) return NULL;
    madvise(places, size, MADV_HUGEPAGE);
    return memset(places, 0, size);
}

static bool grow(LiveBlocks *blocks) {
    size_t capacity = blocks->places ? (blocks->mask + 1) * 2 : 4096;
    LiveBlocks larger = {.places = new_places(capacity), .mask = capacity - 1, .used = blocks->used};
    if (!larger.places) return false;
    for (size_t place = 0; blocks->places && place <= blocks->mask; place++)
        if (!is_empty(&blocks->places[place])) *find(&larger, blocks->places[place].address) = blocks->places[place];
    free(blocks->places);
    *blocks = larger;
    return true;
}

LiveBlock *blocks_place(LiveBlocks *blocks, uint64_t address, LiveBlock *older) {
    if ((!blocks->places || blocks->used * 2 > blocks->mask) && !grow(blocks)) return NULL;
    LiveBlock *place = find(blocks, address);
    *older = *place;
    blocks->used += is_empty(place);
    return place;
}

bool blocks_take(LiveBlocks *blocks, uint64_t address, LiveBlock *block) {
    if (!blocks->places) return false;
    LiveBlock *found = find(blocks, address);
    if (is_empty(found)) return false;
    *block = *found;
    size_t hole = (size_t)(found - blocks->places);
    for (size_t place = (hole + 1) & blocks->mask; !is_empty(&blocks->places[place]); place = (place + 1) & blocks->mask) {
        // A block may move up to the hole unless its own place lies behind the hole.
        size_t from_home = (place - blocks_home(blocks, blocks->places[place].address)) & blocks->mask;
        if (from_home < ((place - hole) & blocks->mask)) continue;
        blocks->places[hole] = blocks->places[place];
        hole = place;
    }
    blocks->places[hole] = (LiveBlock){0};
    blocks->used--;
    return true;
}

void blocks_clear(LiveBlocks *blocks) {
    for (size_t place = 0; blocks->places && place <= blocks->mask; place++) {
        Py_XDECREF(blocks->places[place].site);
        Py_XDECREF(blocks->places[place].run);
    }
    free(blocks->places);
    *blocks = (LiveBlocks){0};
}
