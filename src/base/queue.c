#include "base/queue.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t has_item, has_room;
    void **items;
    size_t capacity, head, count;
    bool closed, cancelled;
    long long push_ns, pop_ns;
};

roto_status queue_new(size_t capacity, queue **out)
{
    *out = NULL;
    if (capacity == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "a queue needs room for at least one item");
    queue *q = memory_new_array(1, sizeof(*q));
    if (!q)
        return ROTO_ERROR_MEMORY;
    q->items = memory_new_array(capacity, sizeof(*q->items));
    if (!q->items) {
        free(q);
        return ROTO_ERROR_MEMORY;
    }
    q->capacity = capacity;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t monotonic; /* as clock_now_ns: a wait ends on time when the clock is set */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->has_item, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&q->has_room, NULL);
    *out = q;
    return ROTO_OK;
}

void queue_free(queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->has_room);
    pthread_cond_destroy(&q->has_item);
    pthread_mutex_destroy(&q->lock);
    free(q->items);
    free(q);
}

static void *take_locked(queue *q)
{
    void *item = q->items[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    pthread_cond_signal(&q->has_room);
    return item;
}

roto_status queue_push(queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    if (q->count == q->capacity && !q->cancelled) {
        int64_t start = clock_now_ns();
        while (q->count == q->capacity && !q->cancelled)
            pthread_cond_wait(&q->has_room, &q->lock);
        q->push_ns += clock_now_ns() - start;
    }
    roto_status status = q->cancelled ? ROTO_CANCELLED : ROTO_OK;
    if (status == ROTO_OK) {
        q->items[(q->head + q->count) % q->capacity] = item;
        q->count++;
        pthread_cond_signal(&q->has_item);
    }
    pthread_mutex_unlock(&q->lock);
    return status;
}

/* Waits for an item, the end, or the deadline (0: none). */
static void wait_for_item_locked(queue *q, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / NS_PER_S,
                                .tv_nsec = deadline_ns % NS_PER_S};
    int64_t start = clock_now_ns();
    int timed_out = 0;
    while (q->count == 0 && !q->closed && !q->cancelled && !timed_out) {
        if (deadline_ns)
            timed_out = pthread_cond_timedwait(&q->has_item, &q->lock, &deadline) == ETIMEDOUT;
        else
            pthread_cond_wait(&q->has_item, &q->lock);
    }
    q->pop_ns += clock_now_ns() - start;
}

static roto_status pop_until(queue *q, int64_t deadline_ns, void **item)
{
    *item = NULL;
    pthread_mutex_lock(&q->lock);
    if (q->count == 0 && !q->closed && !q->cancelled)
        wait_for_item_locked(q, deadline_ns);
    roto_status status = ROTO_OK;
    if (q->cancelled)
        status = ROTO_CANCELLED;
    else if (q->count > 0)
        *item = take_locked(q);
    else if (q->closed)
        status = ROTO_END;
    pthread_mutex_unlock(&q->lock);
    return status;
}

roto_status queue_pop(queue *q, void **item)
{
    return pop_until(q, 0, item);
}

roto_status queue_pop_for(queue *q, long long wait_ns, void **item)
{
    return pop_until(q, clock_now_ns() + wait_ns, item);
}

void *queue_take(queue *q)
{
    pthread_mutex_lock(&q->lock);
    void *item = q->count ? take_locked(q) : NULL;
    pthread_mutex_unlock(&q->lock);
    return item;
}

static void end_locked(queue *q, bool *flag)
{
    pthread_mutex_lock(&q->lock);
    *flag = true;
    pthread_cond_broadcast(&q->has_item);
    pthread_cond_broadcast(&q->has_room);
    pthread_mutex_unlock(&q->lock);
}

void queue_close(queue *q)
{
    end_locked(q, &q->closed);
}

void queue_cancel(queue *q)
{
    end_locked(q, &q->cancelled);
}

void queue_wait_times(queue *q, long long *push_ns, long long *pop_ns)
{
    pthread_mutex_lock(&q->lock);
    *push_ns = q->push_ns;
    *pop_ns = q->pop_ns;
    pthread_mutex_unlock(&q->lock);
}
