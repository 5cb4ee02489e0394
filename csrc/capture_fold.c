// Splits the records of a capture by phase. It is capture/fold.py in C, and both agree to the byte. What is rare (edges of
// phases, mappings) is left to Python, which counts in the same objects.
#include "capture_fold.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SMALLEST_MARKER = 1003, LARGEST_MARKER = SMALLEST_MARKER + 15 + 2 * 24 };

// ---- the stretch

static void begin(Stretch *stretch) {
    Level *level = stretch->level;
    stretch->start = stretch->now = stretch->top = level->now;
    stretch->peak = level->top;
    stretch->fall = level->fall;
    stretch->freed = stretch->moved = 0;
}

static void reach(Level *level, long long reached) {
    if (reached <= level->local) return;
    level->local = reached;
    if (reached > level->top) level->top = reached;
}

// See `PhaseRun.add_stretch`.
static void end(const Stretch *stretch) {
    Tally *tally = stretch->tally;
    tally->freed += stretch->freed;
    tally->own->now = stretch->now;
    tally->own->fall = stretch->fall;
    reach(tally->own, stretch->top);
    long long change = stretch->now - stretch->start, highest = stretch->top - stretch->start;
    stretch->run->live += change + stretch->moved;
    for (Run *run = stretch->run; run; run = run->parent) run->whole += change + stretch->moved;
    for (; tally; tally = tally->around) {
        reach(tally->whole, tally->whole->now + highest);
        tally->whole->now += change;
    }
}

static inline void leave(Fold *fold) {
    if (fold->in_stretch) end(&fold->stretch);
    fold->in_stretch = false;
}

static PyObject *run_of(Fold *fold, uint64_t thread) {
    uint64_t place;
    if (!map_find(&fold->entered_places, thread, &place)) {
        place = fold->entered_count;
        if (place == fold->entered_capacity) {
            size_t capacity = place ? place * 2 : 16;
            Entered *larger = realloc(fold->entered, capacity * sizeof *larger);
            if (!larger) return PyErr_NoMemory();
            fold->entered = larger;
            fold->entered_capacity = capacity;
        }
        if (!map_put(&fold->entered_places, thread, place)) return PyErr_NoMemory();
        fold->entered[fold->entered_count++] = (Entered){0};
    }
    Entered *entered = &fold->entered[place];
    if (!entered->returned || entered->markers != fold->markers) {
        PyObject *returned = PyObject_CallFunction(fold->run_of, "K", (unsigned long long)thread);
        if (!returned) return NULL;
        entered->markers = fold->markers;
        Py_XSETREF(entered->returned, returned);
    }
    return entered->returned;
}

static bool enter(Fold *fold, uint64_t thread) {
    PyObject *entered = run_of(fold, thread), *run;
    int is_ambient;
    if (!entered) return false;
    if (!PyTuple_Check(entered)) {
        PyErr_SetString(PyExc_TypeError, "not a run and whether it is ambient");
        return false;
    }
    if (!PyArg_ParseTuple(entered, "O!p", &run_type, &run, &is_ambient)) return false;
    Stretch *stretch = &fold->stretch;
    stretch->run = (Run *)run;
    stretch->tally = stretch->run->tally;
    PyObject *sites = !stretch->tally ? NULL : is_ambient ? stretch->tally->ambient : stretch->tally->sites;
    if (!sites || !Py_IS_TYPE(sites, &site_table_type)) {
        PyErr_SetString(PyExc_TypeError, "not a run of this fold");
        return false;
    }
    stretch->sites = (SiteTable *)sites;
    stretch->level = stretch->tally->own;
    begin(stretch);
    fold->thread = thread;
    fold->in_stretch = true;
    return true;
}

// ---- blocks

static inline void take_off(Stretch *stretch, Site *site, long long size) {
    if (stretch->now == stretch->peak) stretch->fall++;
    site_touch(site, stretch->fall);
    site->live -= size;
    stretch->now -= size;
}

static inline void put_on(Stretch *stretch, Site *site, long long size) {
    site->allocated += size;
    site->count++;
    site_touch(site, stretch->fall);
    site->live += size;
    stretch->now += size;
    if (stretch->now > stretch->top) {
        stretch->top = stretch->now;
        if (stretch->now > stretch->peak) stretch->peak = stretch->now;
    }
}

// See `PhaseRun.free`.
static void free_in_run(Run *run, Site *site, long long size) {
    Level *own = run->tally->own;
    if (own->now == own->top) own->fall++;
    site_touch(site, own->fall);
    site->live -= size;
    own->now -= size;
    for (Tally *tally = run->tally; tally; tally = tally->around) tally->whole->now -= size;
    run->live -= size;
    for (; run; run = run->parent) run->whole -= size;
}

static bool count_later(Fold *fold, Tally *owner, Tally *by, long long size) {
    uint64_t key = (uint64_t)owner->number << 32 | by->number, place;
    if (!map_find(&fold->later_places, key, &place)) {
        place = fold->later_count;
        if (place == fold->later_capacity) {
            size_t capacity = place ? place * 2 : 16;
            Later *larger = realloc(fold->later, capacity * sizeof *larger);
            if (!larger) return false;
            fold->later = larger;
            fold->later_capacity = capacity;
        }
        if (!map_put(&fold->later_places, key, place)) return false;
        fold->later[fold->later_count++] = (Later){(Tally *)Py_NewRef(owner), (Tally *)Py_NewRef(by), 0};
    }
    fold->later[place].bytes += size;
    return true;
}

static inline bool free_block(Fold *fold, uint64_t address) {
    LiveBlock block;
    if (!blocks_take(&fold->blocks, address, &block)) return true;
    fold->peak.now -= block.size;
    Run *owner = block.run;
    if (UNLIKELY(!owner)) return true;
    Stretch *stretch = &fold->stretch;
    Site *site = block.site;
    long long size = (long long)block.size;
    bool counted = true;
    site->blocks--;
    stretch->freed += size;
    if (LIKELY(owner == stretch->run)) {
        take_off(stretch, site, size);
    } else if (owner->tally == stretch->tally) {
        take_off(stretch, site, size);
        stretch->moved += size;
        owner->live -= size;
        for (Run *run = owner; run; run = run->parent) run->whole -= size;
    } else if (owner->tally->root != stretch->tally->root) {
        free_in_run(owner, site, size);
    } else {
        // A level that both are part of has to see this free in its place among the others.
        end(stretch);
        free_in_run(owner, site, size);
        begin(stretch);
    }
    if (UNLIKELY(!owner->open)) counted = count_later(fold, owner->tally, stretch->tally, size);
    Py_DECREF(site);
    Py_DECREF(owner);
    return counted;
}

// memray missed the free of a block, and forgets it here too. What it counts as live at once still has it.
static void forget_block(LiveBlock *block) {
    if (!block->run) return;
    block->site->blocks--;
    free_in_run(block->run, block->site, (long long)block->size);
    Py_DECREF(block->site);
    Py_DECREF(block->run);
}

static inline bool add_block(Fold *fold, const Allocation *found) {
    LiveBlock older;
    LiveBlock *place = blocks_place(&fold->blocks, found->address, &older);
    if (!place) return false;
    Stretch *stretch = &fold->stretch;
    Site *site = site_table_find(stretch->sites, found, fold->by_native);
    *place = (LiveBlock){found->address, found->size, NULL, NULL};
    if (UNLIKELY(older.run != NULL)) {
        end(stretch);
        forget_block(&older);
        begin(stretch);
    }
    if (!site) return false;
    place->site = (Site *)Py_NewRef(site);
    place->run = (Run *)Py_NewRef(stretch->run);
    site->blocks++;
    peak_add(&fold->peak, found->size);
    put_on(stretch, site, (long long)found->size);
    return true;
}

// ---- what is rare

static bool call(PyObject *function, PyObject *arguments) {
    PyObject *result = arguments ? PyObject_CallObject(function, arguments) : NULL;
    Py_XDECREF(arguments);
    Py_XDECREF(result);
    return result;
}

static bool change_mapping(Fold *fold, const Allocation *found) {
    Stretch *stretch = &fold->stretch;
    end(stretch);
    bool done;
    if (found->allocator == MUNMAP) {
        done = peak_unmap(&fold->peak, found->address, found->size) &&
               call(fold->unmap, Py_BuildValue("(KKO)", found->address, found->size, stretch->run));
    } else {
        Site *site = site_table_find(stretch->sites, found, fold->by_native);
        if (!site) return false;
        site->allocated += (long long)found->size;
        site->count++;
        done = peak_map(&fold->peak, found->address, found->size) &&
               call(fold->map, Py_BuildValue("(KKOO)", found->address, found->size, site, stretch->run));
    }
    begin(stretch);
    return done;
}

// Whether the next record undoes a mapping. The interpreter maps memory for deep calls, and unmaps it, again and again;
// that is counted like a block.
static bool is_brief(const Fold *fold, const Allocation *found) {
    const Allocation *next = found + 1;
    return fold->at < fold->count && !(found->size % PAGE) && next->allocator == MUNMAP && next->thread == found->thread &&
           next->address == found->address && next->size == found->size &&
           !peak_touches(&fold->peak, found->address, found->size);
}

static bool add_brief_mapping(Fold *fold, const Allocation *found) {
    Site *site = site_table_find(fold->stretch.sites, found, fold->by_native);
    if (!site) return false;
    long long size = (long long)found->size;
    put_on(&fold->stretch, site, size);
    fold->stretch.freed += size;
    take_off(&fold->stretch, site, size);
    peak_add(&fold->peak, found->size);
    fold->peak.now -= found->size;
    fold->at++;
    return true;
}

// Returns the marker that a stack encodes, None for an ordinary one, as a borrowed reference.
static PyObject *marker_of(Fold *fold, uint32_t stack) {
    const Parser *parser = &fold->parser->parser;
    size_t place;
    if (!parser_marker(parser, stack, &place)) return Py_None;
    if (!fold->names) {
        fold->names = calloc(parser->marker_count, sizeof *fold->names);
        if (!fold->names) return PyErr_NoMemory();
        fold->name_count = parser->marker_count;
    }
    if (!fold->names[place]) {
        const char *name = parser->markers[place];
        PyObject *text = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
        fold->names[place] = text ? PyObject_CallOneArg(fold->read, text) : NULL;
        Py_XDECREF(text);
    }
    return fold->names[place];
}

static bool follow(Fold *fold, PyObject *marker, const Allocation *found) {
    leave(fold);
    if (found->allocator == MMAP) {
        if (!peak_map(&fold->peak, found->address, found->size)) return false;
    } else {
        LiveBlock older;
        LiveBlock *place = blocks_place(&fold->blocks, found->address, &older);
        if (!place) return false;
        *place = (LiveBlock){found->address, found->size, NULL, NULL};
        forget_block(&older);
        peak_add(&fold->peak, found->size);
    }
    fold->markers++;
    fold->marker_bytes += found->size;
    return call(fold->apply, Py_BuildValue("(OKK)", marker, found->thread, found->size));
}

static bool allocate(Fold *fold, const Allocation *found) {
    if (found->allocator == MMAP && is_brief(fold, found)) return add_brief_mapping(fold, found);
    if (UNLIKELY(found->size >= SMALLEST_MARKER && found->size <= LARGEST_MARKER && found->allocator != MUNMAP)) {
        PyObject *marker = marker_of(fold, found->stack);
        if (marker != Py_None) return marker && follow(fold, marker, found);
    }
    return found->allocator >= MMAP ? change_mapping(fold, found) : add_block(fold, found);
}

static inline bool take_record(Fold *fold) {
    const Allocation *found = &fold->found[fold->at++];
    if (UNLIKELY(!fold->in_stretch || found->thread != fold->thread)) {
        leave(fold);
        if (!enter(fold, found->thread)) return false;
    }
    if (found->allocator == FREE || found->allocator == PYMALLOC_FREE) return free_block(fold, found->address);
    return allocate(fold, found);
}

// ---- records

// Parses the next records, behind those that are left.
static bool refill(Fold *fold) {
    CaptureParser *parser = fold->parser;
    fold->count -= fold->at;
    memmove(fold->found, fold->found + fold->at, fold->count * sizeof *fold->found);
    fold->at = 0;
    while (fold->count < AT_ONCE && parser->handed_out < parser->records) {
        Allocation *found = &fold->found[fold->count];
        Outcome outcome = parser_next(&parser->parser, found);
        if (outcome != CAPTURE_OK) {
            raise_outcome(outcome);
            return false;
        }
        blocks_prefetch(&fold->blocks, found->address);
        parser->handed_out++;
        fold->count++;
    }
    return true;
}

long long fold_feed(Fold *fold, long long most, bool *done) {
    long long taken = 0;
    *done = true;
    while (*done && taken < most) {
        if (fold->at + 1 >= fold->count && !(*done = refill(fold))) break;  // one more than is taken: see `is_brief`
        if (fold->at == fold->count) break;
        size_t before = fold->at;
        *done = take_record(fold);
        taken += (long long)(fold->at - before);
    }
    leave(fold);
    return taken;
}
