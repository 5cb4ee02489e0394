// Which allocation is a sample. Each thread draws the number of bytes to the next sample from an exponential
// distribution, so every byte has the same chance, and a block of `s` bytes is one with 1 - exp(-s / mean).
// The countdown is a counter too: what a thread has allocated is exact, and is charged to its phase at every edge.
#include "heap.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread Thread current_thread __attribute__((tls_model("initial-exec")));

static double mean;
static bool with_native;
static uint64_t first_seed;
static uint32_t session;       // the number of the latest one
static uint32_t on;            // the number of the one that is on; 0 for none
static uint32_t ambient;       // the phase of threads without one: that of the thread that leads
// 1 in the process that the tables belong to. The kernel clears it in any child, also in one that was cloned behind the
// back of the fork handlers: it shares the tables, and must not write into them.
static const uint32_t *owned;

static uint64_t mix(uint64_t value) {  // splitmix64's finaliser
    value += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static uint64_t next_random(Thread *thread) {  // xorshift64
    uint64_t value = thread->random;
    value ^= value << 13;
    value ^= value >> 7;
    value ^= value << 17;
    return thread->random = value;
}

static void draw(Thread *thread) {
    uint64_t allocated = (uint64_t)(thread->drawn - thread->left);
    double uniform = ((double)(next_random(thread) >> 11) + 1) * 0x1p-53;
    thread->mean = mean;
    double bytes = -log(uniform) * thread->mean;
    thread->left = bytes < 1 ? 1 : bytes > 1e15 ? (int64_t)1e15 : (int64_t)bytes;
    thread->drawn = (int64_t)(allocated + (uint64_t)thread->left);
}

static pthread_key_t exit_key;  // of each thread that has a countdown: what it allocated last is charged when it ends
static bool has_exit_key;

static void on_exit_of(void *thread) { sampler_settle(thread); }

static void set_up(Thread *thread) {
    thread->session = on;
    thread->phase = 0;
    thread->leads = false;
    thread->thread_id = (uint32_t)syscall(SYS_gettid);
    thread->random = mix(first_seed ^ ((uint64_t)thread->thread_id << 20) ^ on);
    if (!thread->random) thread->random = 1;
    thread->left = thread->drawn = thread->settled = 0;
    draw(thread);
    if (has_exit_key) pthread_setspecific(exit_key, thread);
}

static const uint32_t *own_process(void) {
    static const uint32_t unknown = 1;
    static uint32_t *page;
    if (!page) {
        size_t size = (size_t)sysconf(_SC_PAGESIZE);
        void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (made == MAP_FAILED) return &unknown;
        if (madvise(made, size, MADV_WIPEONFORK)) {  // before Linux 4.14
            munmap(made, size);
            return &unknown;
        }
        page = made;
    }
    *page = 1;
    return page;
}

void sampler_begin(double bytes, uint64_t seed, bool native) {
    mean = bytes;
    with_native = native;
    first_seed = seed;
    ambient = 0;
    owned = own_process();
    if (!has_exit_key) has_exit_key = !pthread_key_create(&exit_key, on_exit_of);
    __atomic_store_n(&on, ++session, __ATOMIC_RELEASE);
    set_up(&current_thread);
    current_thread.leads = true;
}

void sampler_end(void) { __atomic_store_n(&on, 0, __ATOMIC_RELEASE); }

bool sampler_owns_tables(void) { return on && *owned; }

double sampler_mean(void) { return mean; }

void sampler_double_mean(void) { mean *= 2; }

void sampler_settle(Thread *thread) {
    if (!sampler_owns_tables() || thread->session != on) return;
    int64_t allocated = thread->drawn - thread->left;
    int64_t bytes = allocated - thread->settled;
    thread->settled = allocated;
    if (bytes > 0) tables_charge(thread->phase ? thread->phase : ambient, (uint64_t)bytes);
}

void sampler_switch_phase(uint32_t phase) {
    Thread *thread = &current_thread;
    if (!on) return;
    if (thread->session != on) set_up(thread);
    sampler_settle(thread);
    thread->phase = phase;
    if (thread->leads) __atomic_store_n(&ambient, phase, __ATOMIC_RELAXED);
}

COLD void sampler_took(void *address, size_t size, BlockKind kind, const void *caller) {
    Thread *thread = &current_thread;
    int error = errno;
    if (!on) {
        thread->left = 0;
        thread->session = 0;
        return;
    }
    if (thread->session != on) {
        set_up(thread);
        if (!exceeds_countdown(thread, size)) goto out;
    }
    // The countdown starts again behind this block: the distribution has no memory.
    double drawn_from = thread->mean;
    thread->drawn += (int64_t)size;
    draw(thread);
    uint32_t by_context;
    if (UNLIKELY(context_phase(&by_context))) thread->phase = by_context;
    sampler_settle(thread);
    if (thread->inside || !*owned) goto out;
    thread->inside = true;
    bool native = with_native && slots_try_patch();  // else the frames could be those of a library that is gone
    if (!native) slots_patch_if_needed();
    uint32_t phase = thread->phase ? thread->phase : ambient;
    tables_add(address, size, drawn_from, phase, thread->thread_id, kind, caller, native);
    thread->inside = false;
out:
    errno = error;
}
