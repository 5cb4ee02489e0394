// The tree of all stacks. memray numbers a stack when it first sees it, and so does this, so that both have the same numbers.
#include "capture.h"

#include <stdlib.h>

static bool grow(FrameTree *tree) {
    size_t capacity = tree->capacity ? tree->capacity * 2 : 1024;
    if (capacity > UINT32_MAX) return false;
    FrameNode *nodes = realloc(tree->nodes, capacity * sizeof *nodes);
    if (!nodes) return false;
    if (!tree->nodes) nodes[tree->count++] = (FrameNode){0};
    tree->nodes = nodes;
    tree->capacity = capacity;
    return true;
}

static uint32_t hash_of(const FrameNode *frame) {
    uint64_t mixed = frame->code * 0x9E3779B97F4A7C15u + (uint32_t)frame->offset;
    return fold_hash((mixed ^ (mixed >> 32)) * 0xC2B2AE3D27D4EB4Fu + frame->parent * 2u + frame->entry);
}

static inline bool is_same(const FrameNode *one, const FrameNode *other) {
    return one->code == other->code && one->offset == other->offset && one->parent == other->parent &&
           one->entry == other->entry;
}

static bool rehash(FrameTree *tree) {
    size_t capacity = tree->places ? (tree->mask + 1) * 2 : 4096;
    HashPlace *places = calloc(capacity, sizeof *places);
    if (!places) return false;
    for (size_t old = 0; tree->places && old <= tree->mask; old++) {
        if (!tree->places[old].number) continue;
        size_t place = tree->places[old].hash & (capacity - 1);
        while (places[place].number) place = (place + 1) & (capacity - 1);
        places[place] = tree->places[old];
    }
    free(tree->places);
    tree->places = places;
    tree->mask = capacity - 1;
    return true;
}

uint32_t frame_tree_child(FrameTree *tree, const FrameNode *frame) {
    if (tree->count) {  // mostly a function calls the same one again and again
        uint32_t latest = tree->nodes[frame->parent].latest;
        if (latest && is_same(&tree->nodes[latest], frame)) return latest;
    }
    if ((!tree->places || tree->count * 2 > tree->mask) && !rehash(tree)) return 0;
    uint32_t hash = hash_of(frame);
    size_t place = hash & tree->mask;
    for (; tree->places[place].number; place = (place + 1) & tree->mask) {
        uint32_t number = tree->places[place].number;
        if (tree->places[place].hash != hash || !is_same(&tree->nodes[number], frame)) continue;
        return tree->nodes[frame->parent].latest = number;
    }
    if (tree->count == tree->capacity && !grow(tree)) return 0;
    tree->places[place] = (HashPlace){hash, (uint32_t)tree->count};
    tree->nodes[tree->count] = *frame;
    return (uint32_t)tree->count++;
}

void frame_tree_free(FrameTree *tree) {
    free(tree->nodes);
    free(tree->places);
    *tree = (FrameTree){0};
}
