/* base/queue.h - a bounded queue of pointers between two stages: blocking, closable, cancellable.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <roto/error.h>
#include <stddef.h>

typedef struct queue queue;

roto_status queue_new(size_t capacity, queue **out);
void queue_free(queue *q); /* items left inside stay the caller's: drain first; NULL is fine */

/* Waits for room. ROTO_OK; ROTO_CANCELLED after queue_cancel (the item stays the caller's). */
roto_status queue_push(queue *q, void *item);

/* Waits for an item. ROTO_OK; ROTO_END once closed and empty; ROTO_CANCELLED after queue_cancel. */
roto_status queue_pop(queue *q, void **item);

/* As queue_pop, but waits no longer than wait_ns: then ROTO_OK with *item NULL. */
roto_status queue_pop_for(queue *q, long long wait_ns, void **item);

/* Takes an item without waiting, even after queue_cancel; NULL when empty. For draining. */
void *queue_take(queue *q);

void queue_close(queue *q);  /* the producer is done; what is inside can still be popped */
void queue_cancel(queue *q); /* wakes everyone; every further push and pop returns ROTO_CANCELLED */

/* Nanoseconds that producers and consumers have spent waiting; says which stage is the slow one. */
void queue_wait_times(queue *q, long long *push_ns, long long *pop_ns);

#endif
