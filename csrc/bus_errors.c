// The handler of SIGBUS. The core writes to files that it has mapped; where another program truncates such a file, the
// kernel sends this signal, and would end the process.
#include "core.h"

#include <errno.h>
#include <signal.h>

enum { MOST_HANDLERS = 2 };  // one for each part that maps a file

static BusErrorHandler handlers[MOST_HANDLERS];
static struct sigaction earlier;  // what was to be done on a SIGBUS before

static bool is_handled(const void *address) {
    for (int place = 0; place < MOST_HANDLERS && handlers[place]; place++)
        if (handlers[place](address)) return true;
    return false;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    bool by_kernel = info->si_code > 0;
    if (!by_kernel || !is_handled(info->si_addr)) {
        // Not ours: the earlier handler gets it when the instruction runs again.
        sigaction(number, &earlier, NULL);
        if (!by_kernel) raise(number);  // it was sent, and would not come again
    }
    errno = saved;
}

static bool add(BusErrorHandler handler) {
    for (int place = 0; place < MOST_HANDLERS; place++) {
        if (!handlers[place]) handlers[place] = handler;
        if (handlers[place] == handler) return true;
    }
    return false;
}

bool bus_errors_handle(BusErrorHandler handler) {
    static bool is_installed;
    struct sigaction present;
    if (!add(handler)) return false;
    if (is_installed) return !sigaction(SIGBUS, NULL, &present) && present.sa_sigaction == on_bus_error;
    struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    is_installed = !sigaction(SIGBUS, NULL, &earlier) && !sigaction(SIGBUS, &ours, NULL);
    return is_installed;
}
