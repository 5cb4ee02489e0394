// The functions that stand in for the allocators. Each counts, and hands what is a sample to the slow path.
//
// A block leaves the tables before its address can be given to another thread. A failed call counts for nothing.
#include "heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define CALLER __builtin_return_address(0)

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_reallocarray)(void *, size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static void *(*real_memalign)(size_t, size_t);
static void *(*real_valloc)(size_t);
static void *(*real_pvalloc)(size_t);
static void (*real_free)(void *);
static void (*real_cfree)(void *);
static void (*real_free_sized)(void *, size_t);
static void (*real_free_aligned_sized)(void *, size_t, size_t);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static void *(*real_mmap64)(void *, size_t, int, int, int, off_t);
static int (*real_munmap)(void *, size_t);
static void *(*real_mremap)(void *, size_t, size_t, int, ...);
static void *(*real_dlopen)(const char *, int);

// Nearly all calls take the first branch, and jump to the allocator. A small block that the allocator then fails to
// provide counts nevertheless.
#define ALLOCATE(size, call)                                                                              \
    do {                                                                                                  \
        if (LIKELY(!exceeds_countdown(&current_thread, size))) return call;                               \
        return sampled(call, size, CALLER);                                                               \
    } while (0)

uintptr_t operators_low, operators_high;

static COLD void *sampled(void *block, size_t size, const void *caller) {
    if ((uintptr_t)caller >= operators_low && (uintptr_t)caller < operators_high) caller = current_thread.operator_caller;
    if (block) sampler_took(block, size, BLOCK_MALLOC, caller);
    return block;
}

static inline void *counted(void *block, size_t size, const void *caller) {
    if (LIKELY(block != NULL) && UNLIKELY(exceeds_countdown(&current_thread, size)))
        sampler_took(block, size, BLOCK_MALLOC, caller);
    return block;
}

static COLD void forget(void *block) {
    int error = errno;
    Block forgotten;
    tables_forget(block, &forgotten);
    errno = error;
}

static inline void leaves(void *block) {
    if (UNLIKELY(may_be_sample(block))) forget(block);
}

static void *hook_malloc(size_t size) { ALLOCATE(size, real_malloc(size)); }

static void *hook_calloc(size_t count, size_t each) {
    size_t size;
    if (UNLIKELY(__builtin_mul_overflow(count, each, &size))) return real_calloc(count, each);
    ALLOCATE(size, real_calloc(count, each));
}

static inline void *moved(void *old, size_t size, void *(*reallocate)(void *, size_t), const void *caller) {
    Block forgotten;
    bool known = false;
    if (UNLIKELY(old && may_be_sample(old))) {
        int error = errno;
        known = tables_forget(old, &forgotten);
        errno = error;
    }
    void *block = reallocate(old, size);
    if (UNLIKELY(known && !block && size)) {  // it failed: the old block is still there
        int error = errno;
        tables_restore(&forgotten);
        errno = error;
    }
    return counted(block, size, caller);
}

static void *hook_realloc(void *old, size_t size) { return moved(old, size, real_realloc, CALLER); }

static void *hook_reallocarray(void *old, size_t count, size_t each) {
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) return real_reallocarray(old, count, each);
    return moved(old, size, real_realloc, CALLER);
}

static int hook_posix_memalign(void **block, size_t alignment, size_t size) {
    int error = real_posix_memalign(block, alignment, size);
    if (!error) counted(*block, size, CALLER);
    return error;
}

static void *hook_aligned_alloc(size_t alignment, size_t size) {
    ALLOCATE(size, real_aligned_alloc(alignment, size));
}

static void *hook_memalign(size_t alignment, size_t size) { ALLOCATE(size, real_memalign(alignment, size)); }

static void *hook_valloc(size_t size) { ALLOCATE(size, real_valloc(size)); }

static void *hook_pvalloc(size_t size) { ALLOCATE(size, real_pvalloc(size)); }

static void hook_free(void *block) {
    leaves(block);
    real_free(block);
}

static void hook_cfree(void *block) {
    leaves(block);
    real_cfree(block);
}

static void hook_free_sized(void *block, size_t size) {
    leaves(block);
    real_free_sized(block, size);
}

static void hook_free_aligned_sized(void *block, size_t alignment, size_t size) {
    leaves(block);
    real_free_aligned_sized(block, alignment, size);
}

static inline void unmapped(void *block, size_t size) {
    if (UNLIKELY(__atomic_load_n(&live_mappings, __ATOMIC_RELAXED))) {
        int error = errno;
        tables_unmapped((uintptr_t)block, (uintptr_t)block + size);
        errno = error;
    }
}

// Address space without access is no memory, and a file's pages belong to the file.
static inline void *mapped(void *block, size_t size, int access, int flags, const void *caller) {
    if (block == MAP_FAILED) return block;
    if (flags & MAP_FIXED) unmapped(block, size);
    bool memory = (flags & MAP_ANONYMOUS) && access != PROT_NONE && !current_thread.in_arena;
    if (memory && exceeds_countdown(&current_thread, size)) sampler_took(block, size, BLOCK_MAPPING, caller);
    return block;
}

static void *hook_mmap(void *at, size_t size, int access, int flags, int file, off_t offset) {
    return mapped(real_mmap(at, size, access, flags, file, offset), size, access, flags, CALLER);
}

static void *hook_mmap64(void *at, size_t size, int access, int flags, int file, off_t offset) {
    return mapped(real_mmap64(at, size, access, flags, file, offset), size, access, flags, CALLER);
}

static int hook_munmap(void *block, size_t size) {
    unmapped(block, size);
    return real_munmap(block, size);
}

// A mapping that grows or moves counts as freed and allocated, as in realloc. One that is no sample is passed over, since it
// may be of a file: an anonymous one that is no sample is small.
static void *hook_mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    void *at = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
    va_end(arguments);
    Block forgotten;
    bool known = may_be_sample(old) && tables_forget(old, &forgotten);
    void *block = real_mremap(old, old_size, size, flags, at);
    if (!known) return block;
    int error = errno;
    if (block == MAP_FAILED)
        tables_restore(&forgotten);
    else if (exceeds_countdown(&current_thread, size))
        sampler_took(block, size, BLOCK_MAPPING, CALLER);
    errno = error;
    return block;
}

static bool libraries_may_be_new;

// The loader looks the caller up, whose search path may decide, unless a path is given. So without one this must be a
// tail call, which keeps the caller's return address; the new library is seen at the next sample.
static void *hook_dlopen(const char *name, int flags) {
    if (!name || !strchr(name, '/') || strchr(name, '$')) {
        __atomic_store_n(&libraries_may_be_new, true, __ATOMIC_RELAXED);
        return real_dlopen(name, flags);
    }
    void *library = real_dlopen(name, flags);
    if (library) {
        int error = errno;
        hooks_find_operators();
        slots_patch();
        errno = error;
    }
    return library;
}

// ---- C++'s operators. Where malloc's library has its own (jemalloc, tcmalloc), they allocate. Elsewhere they call
// malloc, which counts; their caller is kept, as it says more than that libstdc++ called malloc.

#define NEW(name, parameters, arguments)                                                                  \
    static void *(*real_##name) parameters;                                                               \
    static void *operator_##name parameters {                                                             \
        current_thread.operator_caller = CALLER;                                                          \
        return real_##name arguments;                                                                     \
    }                                                                                                     \
    static void *hook_##name parameters { ALLOCATE(size, real_##name arguments); }
#define DELETE(name, parameters, arguments)                                                               \
    static void (*real_##name) parameters;                                                                \
    static void hook_##name parameters {                                                                  \
        leaves(block);                                                                                    \
        real_##name arguments;                                                                            \
    }

NEW(_Znwm, (size_t size), (size))
NEW(_Znam, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag), (size, tag))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *tag), (size, tag))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t alignment), (size, alignment))
NEW(_ZnamSt11align_val_t, (size_t size, size_t alignment), (size, alignment))
DELETE(_ZdlPv, (void *block), (block))
DELETE(_ZdaPv, (void *block), (block))
DELETE(_ZdlPvm, (void *block, size_t size), (block, size))
DELETE(_ZdaPvm, (void *block, size_t size), (block, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag), (block, tag))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag), (block, tag))
DELETE(_ZdlPvSt11align_val_t, (void *block, size_t alignment), (block, alignment))
DELETE(_ZdaPvSt11align_val_t, (void *block, size_t alignment), (block, alignment))
DELETE(_ZdlPvmSt11align_val_t, (void *block, size_t size, size_t alignment), (block, size, alignment))
DELETE(_ZdaPvmSt11align_val_t, (void *block, size_t size, size_t alignment), (block, size, alignment))

#define HOOKED(name) {#name, (void *)(uintptr_t)hook_##name, (void **)&real_##name, NULL}
#define HOOKED_NEW(name) {#name, (void *)(uintptr_t)hook_##name, (void **)&real_##name, (void *)(uintptr_t)operator_##name}
Hooked hooked_functions[] = {
    HOOKED(malloc),        HOOKED(free),       HOOKED(calloc),     HOOKED(realloc), HOOKED(reallocarray),
    HOOKED(posix_memalign), HOOKED(aligned_alloc), HOOKED(memalign), HOOKED(valloc),  HOOKED(pvalloc),
    HOOKED(cfree),         HOOKED(free_sized), HOOKED(free_aligned_sized), HOOKED(mmap), HOOKED(mmap64),
    HOOKED(munmap),        HOOKED(mremap),     HOOKED(dlopen),     HOOKED_NEW(_Znwm),   HOOKED_NEW(_Znam),
    HOOKED_NEW(_ZnwmRKSt9nothrow_t), HOOKED_NEW(_ZnamRKSt9nothrow_t), HOOKED_NEW(_ZnwmSt11align_val_t),
    HOOKED_NEW(_ZnamSt11align_val_t), HOOKED(_ZdlPv), HOOKED(_ZdaPv), HOOKED(_ZdlPvm), HOOKED(_ZdaPvm),
    HOOKED(_ZdlPvRKSt9nothrow_t), HOOKED(_ZdaPvRKSt9nothrow_t), HOOKED(_ZdlPvSt11align_val_t),
    HOOKED(_ZdaPvSt11align_val_t), HOOKED(_ZdlPvmSt11align_val_t), HOOKED(_ZdaPvmSt11align_val_t),
};
const size_t hooked_count = sizeof hooked_functions / sizeof *hooked_functions;

// ---- Python's allocators. Only objects that do not reach malloc are counted here.

static PyMemAllocatorEx real_object, real_memory;
static PyObjectArenaAllocator real_arena;
static size_t small;  // the largest size that the allocator serves itself; 0 if it passes everything on

static COLD void *sampled_object(void *block, size_t size) {
    if (block) sampler_took(block, size, BLOCK_OBJECT, NULL);
    return block;
}

// An object may grow out of malloc's heap into Python's or back. Whether malloc has counted it shows in the countdown.
static inline void *moved_object(const PyMemAllocatorEx *real, void *old, size_t size) {
    Block forgotten;
    Thread *thread = &current_thread;
    bool known = UNLIKELY(old && may_be_sample(old)) && tables_forget(old, &forgotten);
    int64_t before = thread->left;
    void *block = real->realloc(real->ctx, old, size);
    if (UNLIKELY(known && !block)) tables_restore(&forgotten);
    if (thread->left != before || !block || !small) return block;
    if (UNLIKELY(exceeds_countdown(thread, size))) sampler_took(block, size, BLOCK_OBJECT, NULL);
    return block;
}

#define ALLOCATE_OBJECT(size, call)                                                                        \
    do {                                                                                                   \
        if (UNLIKELY(size > small)) return call;                                                           \
        if (LIKELY(!exceeds_countdown(&current_thread, size))) return call;                                \
        return sampled_object(call, size);                                                                 \
    } while (0)

#define PYTHON_HOOKS(domain)                                                                               \
    static void *domain##_malloc(void *context, size_t size) {                                             \
        (void)context;                                                                                     \
        ALLOCATE_OBJECT(size, real_##domain.malloc(real_##domain.ctx, size));                              \
    }                                                                                                      \
    static void *domain##_calloc(void *context, size_t count, size_t each) {                               \
        (void)context;                                                                                     \
        size_t size = count * each; /* the interpreter has checked the product */                         \
        ALLOCATE_OBJECT(size, real_##domain.calloc(real_##domain.ctx, count, each));                       \
    }                                                                                                      \
    static void *domain##_realloc(void *context, void *old, size_t size) {                                 \
        (void)context;                                                                                     \
        return moved_object(&real_##domain, old, size);                                                    \
    }                                                                                                      \
    static void domain##_free(void *context, void *block) {                                                \
        (void)context;                                                                                     \
        leaves(block);                                                                                     \
        real_##domain.free(real_##domain.ctx, block);                                                      \
    }

PYTHON_HOOKS(object)
PYTHON_HOOKS(memory)

static void *arena_alloc(void *context, size_t size) {
    (void)context;
    current_thread.in_arena = true;
    void *arena = real_arena.alloc(real_arena.ctx, size);
    current_thread.in_arena = false;
    return arena;
}

static void arena_free(void *context, void *arena, size_t size) {
    (void)context;
    real_arena.free(real_arena.ctx, arena, size);
}

// Whether an object of this size comes from malloc, as with PYTHONMALLOC=malloc, or a little below 512 with its debug
// hooks: the countdown tells. One object may be the first of a new arena; several are not.
static bool reaches_malloc(size_t size) {
    int passed_on = 0;
    for (int at = 0; at < 4; at++) {
        int64_t before = current_thread.left;
        void *object = real_object.malloc(real_object.ctx, size);
        passed_on += current_thread.left != before;
        real_object.free(real_object.ctx, object);
    }
    return passed_on > 1;
}

static bool in_python;

static void hook_python(void) {
    if (in_python) return;  // another tool has wrapped the hooks of an earlier session, which are still in place
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &real_object);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &real_memory);
    PyObject_GetArenaAllocator(&real_arena);
    small = !reaches_malloc(512) ? 512 : !reaches_malloc(448) ? 448 : 0;
    PyMemAllocatorEx object = {NULL, object_malloc, object_calloc, object_realloc, object_free};
    PyMemAllocatorEx memory = {NULL, memory_malloc, memory_calloc, memory_realloc, memory_free};
    PyObjectArenaAllocator arena = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&arena);
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &object);
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &memory);
    in_python = true;
}

// Once another tool has wrapped the hooks, they stay and only pass calls on: to restore the allocators would drop the
// tool's own hooks.
static void unhook_python(void) {
    PyMemAllocatorEx object, memory;
    PyObjectArenaAllocator arena;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &object);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &memory);
    PyObject_GetArenaAllocator(&arena);
    if (object.malloc != object_malloc || memory.malloc != memory_malloc || arena.alloc != arena_alloc) return;
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &real_object);
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &real_memory);
    PyObject_SetArenaAllocator(&real_arena);
    in_python = false;
}

static const void *library_of(const void *function) {
    Dl_info info;
    return function && dladdr(function, &info) ? info.dli_fbase : NULL;
}

static void find(bool operators, void *library) {
    for (size_t at = 0; at < hooked_count; at++) {
        Hooked *hooked = &hooked_functions[at];
        if (*hooked->real || (hooked->name[0] == '_') != operators) continue;
        void *found = dlsym(library, hooked->name);
        if (found && operators && library_of(found) != library_of((void *)(uintptr_t)real_malloc)) {
            hooked->hook = hooked->operator_hook;
            if (!hooked->hook) continue;
        }
        *hooked->real = found;
    }
}

// The C++ library may come with an extension module, visible to nobody else.
void hooks_find_operators(void) {
    if (real__Znwm) return;
    find(true, RTLD_DEFAULT);
    void *library = real__Znwm ? NULL : real_dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return;
    find(true, library);
    dlclose(library);
}

bool hooks_install(void) {
    find(false, RTLD_DEFAULT);
    if (!real_malloc || !real_free || !real_realloc || !real_dlopen) return false;
    hooks_find_operators();
    slots_patch();
    hook_python();
    return true;
}

const void *hooks_operator(void) { return (const void *)(uintptr_t)real__Znwm; }

const void *hooks_malloc_library(void) {
    const void *library = library_of((void *)(uintptr_t)real_malloc);
    return library == library_of((void *)(uintptr_t)real_mmap) ? NULL : library;
}

void hooks_remove(void) {
    unhook_python();
    slots_restore();
}

void slots_patch_if_needed(void) {
    if (LIKELY(!__atomic_exchange_n(&libraries_may_be_new, false, __ATOMIC_RELAXED))) return;
    if (!slots_try_patch()) __atomic_store_n(&libraries_may_be_new, true, __ATOMIC_RELAXED);
}
