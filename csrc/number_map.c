// A map of 64-bit numbers: open addressing, with backward shifts on removal.
#include "capture.h"

#include <stdlib.h>

static size_t place_of(const NumberMap *map, uint64_t key) {
    uint64_t mixed = key * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed ^ (mixed >> 32)) & map->mask;
}

static Pair *find(const NumberMap *map, uint64_t key) {
    size_t place = place_of(map, key);
    while (map->pairs[place].key && map->pairs[place].key != key) place = (place + 1) & map->mask;
    return &map->pairs[place];
}

static bool grow(NumberMap *map) {
    size_t capacity = map->pairs ? (map->mask + 1) * 2 : 1024;
    NumberMap larger = *map;
    larger.pairs = calloc(capacity, sizeof(Pair));
    larger.mask = capacity - 1;
    if (!larger.pairs) return false;
    for (size_t place = 0; map->pairs && place <= map->mask; place++)
        if (map->pairs[place].key) *find(&larger, map->pairs[place].key) = map->pairs[place];
    free(map->pairs);
    *map = larger;
    return true;
}

bool map_put(NumberMap *map, uint64_t key, uint64_t value) {
    if (!key) {
        map->has_zero = true;
        map->zero = value;
        return true;
    }
    if ((!map->pairs || map->used * 2 > map->mask) && !grow(map)) return false;
    Pair *pair = find(map, key);
    if (!pair->key) map->used++;
    *pair = (Pair){key, value};
    return true;
}

bool map_find(const NumberMap *map, uint64_t key, uint64_t *value) {
    if (!key) {
        *value = map->zero;
        return map->has_zero;
    }
    if (!map->pairs) return false;
    Pair *pair = find(map, key);
    *value = pair->value;
    return pair->key != 0;
}

bool map_take(NumberMap *map, uint64_t key, uint64_t *value) {
    if (!map_find(map, key, value)) return false;
    if (!key) {
        map->has_zero = false;
        return true;
    }
    size_t hole = (size_t)(find(map, key) - map->pairs);
    for (size_t place = (hole + 1) & map->mask; map->pairs[place].key; place = (place + 1) & map->mask) {
        // A pair may move up to the hole unless its own place lies behind the hole.
        size_t from_home = (place - place_of(map, map->pairs[place].key)) & map->mask;
        if (from_home < ((place - hole) & map->mask)) continue;
        map->pairs[hole] = map->pairs[place];
        hole = place;
    }
    map->pairs[hole] = (Pair){0, 0};
    map->used--;
    return true;
}

void map_free(NumberMap *map) {
    free(map->pairs);
    *map = (NumberMap){0};
}
