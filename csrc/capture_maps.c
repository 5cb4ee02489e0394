// Which library was at an address, by the maps of a capture. After each change it has all of them again: a generation.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

static bool has_room(void **items, size_t count, size_t size) {
    if (count & (count - 1)) return true;  // the capacity is the next power of two
    void *larger = realloc(*items, (count ? count * 2 : 1) * size);
    if (larger) *items = larger;
    return larger != NULL;
}

bool maps_begin(Maps *maps) {
    if (!has_room((void **)&maps->generations, maps->generation_count, sizeof *maps->generations)) return false;
    maps->generations[maps->generation_count++] = maps->segment_count;
    return true;
}

// Libraries come in the same order in each generation, mostly, so the search begins behind the latest one.
static bool find_library(Maps *maps, const char *path) {
    for (size_t steps = 0; steps < maps->library_count; steps++) {
        maps->latest = (maps->latest + 1) % maps->library_count;
        if (!strcmp(maps->libraries[maps->latest], path)) return true;
    }
    if (maps->library_count == UINT32_MAX) return false;
    if (!has_room((void **)&maps->libraries, maps->library_count, sizeof *maps->libraries)) return false;
    char *copy = strdup(path);
    if (!copy) return false;
    maps->latest = maps->library_count;
    maps->libraries[maps->library_count++] = copy;
    return true;
}

bool maps_library(Maps *maps, const char *path, uint64_t base) {
    maps->base = base;
    return find_library(maps, path);
}

bool maps_segment(Maps *maps, uint64_t address, uint64_t size) {
    if (!has_room((void **)&maps->segments, maps->segment_count, sizeof *maps->segments)) return false;
    uint64_t start = maps->base + address;
    maps->segments[maps->segment_count++] = (MapSegment){start, start + size, maps->base, (uint32_t)maps->latest};
    return true;
}

static int by_start(const void *one, const void *other) {
    const MapSegment *first = one, *second = other;
    return (first->start > second->start) - (first->start < second->start);
}

static size_t end_of(const Maps *maps, size_t generation) {
    return generation + 1 < maps->generation_count ? maps->generations[generation + 1] : maps->segment_count;
}

void maps_end(Maps *maps) {
    for (size_t generation = 0; generation < maps->generation_count; generation++) {
        size_t first = maps->generations[generation], count = end_of(maps, generation) - first;
        if (count) qsort(maps->segments + first, count, sizeof *maps->segments, by_start);
    }
}

const MapSegment *maps_find(const Maps *maps, uint64_t generation, uint64_t address) {
    if (!generation || generation > maps->generation_count) return NULL;
    size_t first = maps->generations[generation - 1], low = first, high = end_of(maps, generation - 1);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->segments[middle].start <= address) low = middle + 1;
        else high = middle;
    }
    return low > first && address < maps->segments[low - 1].end ? &maps->segments[low - 1] : NULL;
}

void maps_free(Maps *maps) {
    for (size_t library = 0; library < maps->library_count; library++) free(maps->libraries[library]);
    free(maps->libraries);
    free(maps->segments);
    free(maps->generations);
    *maps = (Maps){0};
}
