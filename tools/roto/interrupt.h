/* interrupt.h - Ctrl-C: once asks to finish cleanly, twice ends the program at once. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM only ask; for commands that have files to finish. */
void interrupt_install(void);

bool interrupt_requested(void);

/* The signal that asked; SIGINT when none did. */
int interrupt_signal(void);

#endif
