#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Signal handlers have nothing but globals to write to. */
static volatile sig_atomic_t requested;

static void on_signal(int number)
{
    static const char text[] =
        "\nroto: stopping after the current frame; Ctrl-C again ends at once\n";
    requested = number;
    /* The next one takes the default action, whatever the program is doing. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_requested(void)
{
    return requested != 0;
}

int interrupt_signal(void)
{
    return requested ? requested : SIGINT;
}
