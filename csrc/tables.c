// Live samples, by phase and stack. A lock guards all of it but the filter and the totals of allocated bytes.
//
// A site is a stack in a phase. Its bytes at the phase's peak are kept without a copy of the table at every peak:
// `at_peak` is set when the site first changes after a peak, and until then its live bytes are those of the peak.
#include "heap.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define CODE_BUCKETS 8192
#define SITE_BUCKETS 16384
#define CHUNK 2048          // blocks in an entry
#define MOST_CHUNKS 64
#define MOST_LIVE 16384     // at the first mean; above it the mean doubles
#define MOST_USED (4u << 20)  // bytes of the file at the first mean; with every 2 MiB more the mean doubles

typedef struct {
    EntryHead head;
    uint32_t next;
    int32_t first_line;
    uint64_t key, lines;
    uint16_t name_length, file_length;
    uint32_t table_length;
    char text[];  // name, file, location table
} Code;

typedef struct {
    EntryHead head;
    uint32_t next;
    uint32_t phase;
    uint64_t hash;
    uint64_t caller;  // the return address in the code that called the allocator; 0 for Python's allocators
    uint32_t kind;
    uint32_t frame_count;
    double live, at_peak, allocated;
    uint64_t samples;
    uint32_t peak;  // the number of the phase's peak that `at_peak` is of
    uint32_t native_count;
    uint64_t frames[];  // code << 32 | instruction; innermost first; then the return addresses of native frames
} Site;

typedef struct {
    EntryHead head;
    uint32_t parent;
    uint32_t name_length;
    uint64_t allocated;  // exact
    double sampled, sampled_variance, live, variance, peak_live, peak_variance;
    uint64_t samples;
    uint32_t peak;     // the number of the latest peak
    uint32_t at_peak;  // 1 while the live bytes are the most so far
    uint32_t calls;
    uint32_t reserved;
    char name[];
} Phase;

typedef struct {
    EntryHead head;
    uint64_t low, high;
    uint32_t length;
    uint32_t build;  // the first bytes of its build ID; 0 if it has none
    char path[];
} Library;

typedef struct {
    EntryHead head;
    Block rows[CHUNK];
} Blocks;

uint64_t block_filter[(1u << FILTER_BITS) / 64];
uint32_t live_mappings;
static uint32_t block_buckets[1u << FILTER_BITS];  // row + 1
static uint32_t code_buckets[CODE_BUCKETS], site_buckets[SITE_BUCKETS];
static Blocks *chunks[MOST_CHUNKS];
static uint32_t rows_used, free_row, live_limit;
static uint64_t used_limit;
static uint32_t no_phase;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool ready;

void tables_lock(void) { pthread_mutex_lock(&lock); }
void tables_unlock(void) { pthread_mutex_unlock(&lock); }

static Block *row_at(uint32_t row) { return &chunks[row / CHUNK]->rows[row % CHUNK]; }

void tables_begin(void) {
    memset(block_filter, 0, sizeof block_filter);
    memset(block_buckets, 0, sizeof block_buckets);
    memset(code_buckets, 0, sizeof code_buckets);
    memset(site_buckets, 0, sizeof site_buckets);
    memset(chunks, 0, sizeof chunks);
    rows_used = free_row = live_mappings = 0;
    live_limit = MOST_LIVE;
    used_limit = MOST_USED;
    ready = true;
    no_phase = tables_add_phase(0, "", 0);
}

void tables_end(void) {
    ready = false;
    memset(block_filter, 0, sizeof block_filter);
}

uint32_t tables_add_phase(uint32_t parent, const char *name, size_t length) {
    if (!ready) return 0;
    Phase *phase = file_append(ENTRY_PHASE, sizeof *phase + length);
    if (!phase) return no_phase;
    phase->parent = parent;
    phase->name_length = (uint32_t)length;
    memcpy(phase->name, name, length);
    return file_commit(phase);
}

// A span may be of an earlier session, whose numbers mean nothing now.
bool tables_has_phase(uint32_t at) {
    const Phase *phase = file_at(at);
    uint64_t end = (uint64_t)at * 8 + sizeof *phase;
    return ready && at && end <= __atomic_load_n(&file_header()->used, __ATOMIC_ACQUIRE) &&
           phase->head.kind == ENTRY_PHASE && phase->head.size >= sizeof *phase;
}

void tables_count_call(uint32_t at) {
    Phase *phase = file_at(at ? at : no_phase);
    __atomic_fetch_add(&phase->calls, 1, __ATOMIC_RELAXED);
}

void tables_charge(uint32_t at, uint64_t bytes) {
    Phase *phase = file_at(at ? at : no_phase);
    __atomic_fetch_add(&phase->allocated, bytes, __ATOMIC_RELAXED);
}

void tables_add_library(uint64_t low, uint64_t high, uint32_t build, const char *path) {
    size_t length = strlen(path);
    tables_lock();
    Library *library = ready ? file_append(ENTRY_LIBRARY, sizeof *library + length) : NULL;
    if (library) {
        library->low = low;
        library->high = high;
        library->length = (uint32_t)length;
        library->build = build;
        memcpy(library->path, path, length);
        file_commit(library);
    }
    tables_unlock();
}

static uint32_t intern_code(const void *key) {
    static CodeFacts facts;  // guarded by the lock
    code_facts(key, &facts);
    uint32_t *bucket = &code_buckets[((uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 51];
    for (uint32_t at = *bucket; at;) {
        Code *code = file_at(at);
        if (code->key == (uintptr_t)key && code->lines == (uintptr_t)facts.lines &&
            code->first_line == facts.first_line && code->name_length == facts.name_length &&
            code->file_length == facts.file_length && !memcmp(code->text, facts.name, facts.name_length) &&
            !memcmp(code->text + facts.name_length, facts.file, facts.file_length))
            return at;
        at = code->next;
    }
    size_t text = (size_t)facts.name_length + facts.file_length + facts.table_length;
    Code *code = file_append(ENTRY_CODE, sizeof *code + text);
    if (!code) return 0;
    code->key = (uintptr_t)key;
    code->lines = (uintptr_t)facts.lines;
    code->first_line = facts.first_line;
    code->name_length = facts.name_length;
    code->file_length = facts.file_length;
    code->table_length = facts.table_length;
    memcpy(code->text, facts.name, facts.name_length);
    memcpy(code->text + facts.name_length, facts.file, facts.file_length);
    if (facts.table_length)
        memcpy(code->text + facts.name_length + facts.file_length, facts.table, facts.table_length);
    code->next = *bucket;
    return *bucket = file_commit(code);
}

static uint32_t intern_site(uint32_t phase, BlockKind kind, const void *caller, const PythonFrame *stack,
                            size_t count, bool native) {
    static uint64_t frames[MOST_FRAMES + MOST_NATIVE_FRAMES];  // guarded by the lock
    uint64_t hash = (uintptr_t)caller * UINT64_C(0x100000001b3) ^ phase ^ (uint64_t)kind << 32;
    for (size_t at = 0; at < count; at++) {
        frames[at] = (uint64_t)intern_code(stack[at].code) << 32 | (uint32_t)stack[at].instruction;
        hash = (hash ^ frames[at]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    size_t native_count = native ? native_stack(frames + count, MOST_NATIVE_FRAMES) : 0;
    for (size_t at = count; at < count + native_count; at++) {
        hash = (hash ^ frames[at]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    size_t size = (count + native_count) * sizeof *frames;
    uint32_t *bucket = &site_buckets[hash % SITE_BUCKETS];
    for (uint32_t at = *bucket; at;) {
        Site *site = file_at(at);
        if (site->hash == hash && site->phase == phase && site->caller == (uintptr_t)caller &&
            site->kind == (uint32_t)kind && site->frame_count == count &&
            site->native_count == native_count && !memcmp(site->frames, frames, size))
            return at;
        at = site->next;
    }
    Site *site = file_append(ENTRY_SITE, sizeof *site + size);
    if (!site) return 0;
    site->phase = phase;
    site->hash = hash;
    site->caller = (uintptr_t)caller;
    site->kind = (uint32_t)kind;
    site->frame_count = (uint32_t)count;
    site->native_count = (uint32_t)native_count;
    memcpy(site->frames, frames, size);
    site->next = *bucket;
    return *bucket = file_commit(site);
}

// Live bytes of a site change by a sample's weight; so do those of its phase, whose peak this may be.
static void change_live(Site *site, double weight, double variance) {
    Phase *phase = file_at(site->phase);
    if (weight < 0 && phase->at_peak) {
        phase->at_peak = 0;
        phase->peak++;
    }
    if (!phase->at_peak && site->peak != phase->peak) {
        site->at_peak = site->live;
        site->peak = phase->peak;
    }
    site->live += weight;
    phase->live += weight;
    phase->variance += variance;
    if (weight > 0 && phase->live > phase->peak_live) {
        phase->peak_live = phase->live;
        phase->peak_variance = phase->variance;
        phase->at_peak = 1;
    }
}

static Block *new_row(uint32_t *row) {
    if (free_row) {
        *row = free_row - 1;
        free_row = row_at(*row)->next;
        return row_at(*row);
    }
    uint32_t chunk = rows_used / CHUNK;
    if (chunk == MOST_CHUNKS) return NULL;
    if (!chunks[chunk]) {
        Blocks *made = file_append(ENTRY_BLOCKS, sizeof *made);
        if (!made) return NULL;
        file_commit(made);
        chunks[chunk] = made;
    }
    *row = rows_used++;
    return row_at(*row);
}

static void insert(const Block *block) {
    uint32_t row;
    Block *made = new_row(&row);
    if (!made) {
        file_header()->dropped++;
        return;
    }
    uint32_t hash = block_hash((void *)(uintptr_t)block->address);
    *made = *block;
    __atomic_store_n(&made->address, 0, __ATOMIC_RELAXED);
    made->next = block_buckets[hash];
    block_buckets[hash] = row + 1;
    if (block->kind == BLOCK_MAPPING) __atomic_store_n(&live_mappings, live_mappings + 1, __ATOMIC_RELAXED);
    change_live(file_at(block->site), block->weight, block->variance);
    file_header()->live++;
    __atomic_store_n(&made->address, block->address, __ATOMIC_RELEASE);  // from here on a reader sees it
    __atomic_fetch_or(&block_filter[hash / 64], UINT64_C(1) << (hash % 64), __ATOMIC_RELAXED);
}

static bool take(uint64_t address, Block *taken) {
    uint32_t hash = block_hash((void *)(uintptr_t)address);
    for (uint32_t *link = &block_buckets[hash]; *link; link = &row_at(*link - 1)->next) {
        uint32_t row = *link - 1;
        Block *block = row_at(row);
        if (block->address != address) continue;
        *taken = *block;
        __atomic_store_n(&block->address, 0, __ATOMIC_RELEASE);
        *link = block->next;
        block->next = free_row;
        free_row = row + 1;
        if (!block_buckets[hash])
            __atomic_fetch_and(&block_filter[hash / 64], ~(UINT64_C(1) << (hash % 64)), __ATOMIC_RELAXED);
        if (taken->kind == BLOCK_MAPPING) __atomic_store_n(&live_mappings, live_mappings - 1, __ATOMIC_RELAXED);
        change_live(file_at(taken->site), -taken->weight, -taken->variance);
        file_header()->live--;
        return true;
    }
    return false;
}

void tables_add(void *address, size_t size, double mean, uint32_t phase, uint32_t thread_id, BlockKind kind,
                const void *caller, bool native) {
    PythonFrame stack[MOST_FRAMES];
    size_t count = python_stack(stack, MOST_FRAMES);
    double chance = -expm1(-(double)size / mean);
    double weight = size ? (double)size / chance : mean;
    Block block = {.address = (uintptr_t)address,
                   .size = size,
                   .weight = weight,
                   .variance = weight * weight * (1 - chance),
                   .thread_id = thread_id,
                   .kind = kind};
    tables_lock();
    if (ready) {
        if (!phase) phase = no_phase;
        Block unseen;
        take(block.address, &unseen);  // its free was not seen
        FileHeader *header = file_header();
        header->samples++;
        Phase *charged = file_at(phase);
        charged->sampled += weight;
        charged->sampled_variance += block.variance;
        charged->samples++;
        block.call = charged->calls;
        block.site = intern_site(phase, kind, caller, stack, count, native);
        if (block.site) {
            Site *site = file_at(block.site);
            site->allocated += weight;
            site->samples++;
            insert(&block);
        } else {
            header->dropped++;
        }
        if (header->live > live_limit || header->used > used_limit) {  // half as many samples from now on
            if (header->live > live_limit) live_limit *= 2;
            if (header->used > used_limit) used_limit += MOST_USED / 2;
            sampler_double_mean();
            header->mean = sampler_mean();
        }
    }
    tables_unlock();
}

bool tables_forget(void *address, Block *forgotten) {
    bool found = false;
    if (current_thread.inside || !sampler_owns_tables()) return false;  // the lock may be this thread's own
    tables_lock();
    if (ready && (found = take((uintptr_t)address, forgotten))) file_header()->freed++;
    tables_unlock();
    return found;
}

void tables_restore(const Block *block) {
    tables_lock();
    if (ready) {
        file_header()->freed--;
        insert(block);
    }
    tables_unlock();
}

// Memory was unmapped. A mapping that loses a part of itself keeps that share of its weight.
void tables_unmapped(uint64_t low, uint64_t high) {
    if (current_thread.inside || !sampler_owns_tables()) return;
    tables_lock();
    for (uint32_t row = 0; ready && row < rows_used; row++) {
        Block *block = row_at(row);
        uint64_t from = block->address, to = from + block->size;
        if (!from || block->kind != BLOCK_MAPPING || to <= low || from >= high) continue;
        Block part;
        if (!take(from, &part)) continue;
        file_header()->freed++;
        uint64_t before = low > from ? low - from : 0, after = to > high ? to - high : 0;
        if (before + after == 0) continue;
        double share = (double)(before + after) / (double)part.size;
        part.address = before ? from : high;
        part.size = before + after;
        part.weight *= share;
        part.variance *= share * share;
        file_header()->freed--;
        insert(&part);
    }
    tables_unlock();
}

static void count_sample(LiveSite *sum, const Block *block) {
    sum->variance += block->variance;
    sum->samples++;
}

size_t tables_largest(LiveSite *found, size_t most, LiveSite *all) {
    size_t count = 0;
    *all = (LiveSite){0};
    tables_lock();
    for (size_t bucket = 0; ready && bucket < SITE_BUCKETS; bucket++) {
        for (uint32_t at = site_buckets[bucket]; at;) {
            const Site *site = file_at(at);
            all->live += site->live;
            if (site->live >= 1 && (count < most || site->live > found[count - 1].live)) {
                if (count < most) count++;
                size_t place = count - 1;
                for (; place && found[place - 1].live < site->live; place--) found[place] = found[place - 1];
                found[place] = (LiveSite){
                    .site = at, .live = site->live, .frames = site->frames, .frame_count = site->frame_count};
            }
            at = site->next;
        }
    }
    for (uint32_t row = 0; ready && row < rows_used; row++) {
        const Block *block = row_at(row);
        if (!block->address) continue;
        count_sample(all, block);
        for (size_t place = 0; place < count; place++)
            if (found[place].site == block->site) count_sample(&found[place], block);
    }
    tables_unlock();
    return count;
}

// The line of an instruction, by the location table of Python 3.11 and later, as capture/heap_file.py reads it.
static int line_of(const Code *code, int32_t instruction) {
    const uint8_t *table = (const uint8_t *)code->text + code->name_length + code->file_length;
    int line = code->first_line;
    int64_t end = 0;
    if (instruction < 0) return line;
    for (uint32_t at = 0, next; at < code->table_length; at = next) {
        for (next = at + 1; next < code->table_length && table[next] < 128;) next++;
        uint32_t form = table[at] >> 3 & 15;
        if (form >= 10 && form < 13) {
            line += (int)form - 10;
        } else if (form == 13 || form == 14) {
            uint32_t value = 0, shift = 0;
            for (uint32_t byte = at + 1; byte < next && shift < 32; byte++, shift += 6) {
                value |= (uint32_t)(table[byte] & 63) << shift;
                if (!(table[byte] & 64)) break;
            }
            line += value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
        }
        end += (table[at] & 7) + 1;
        if (instruction < end * 2) return form == 15 ? 0 : line;
    }
    return code->first_line;
}

bool tables_frame(uint64_t frame, FrameText *text) {
    const Code *code = file_at((uint32_t)(frame >> 32));
    if (!(frame >> 32) || code->head.kind != ENTRY_CODE) return false;
    *text = (FrameText){.name = code->text,
                        .file = code->text + code->name_length,
                        .name_length = code->name_length,
                        .file_length = code->file_length,
                        .line = line_of(code, (int32_t)frame)};
    return true;
}
