#include "support/cmocka_all.h"

#include "base/clock.h"
#include "base/queue.h"

#include <pthread.h>

enum { N_ITEMS = 20000 };

static int items[N_ITEMS];

static void *produce(void *arg)
{
    queue *q = arg;
    for (int i = 0; i < N_ITEMS; i++)
        if (queue_push(q, &items[i]) != ROTO_OK)
            break;
    queue_close(q);
    return NULL;
}

static void items_arrive_once_and_in_order(void **state)
{
    (void)state;
    queue *q = NULL;
    assert_int_equal(queue_new(3, &q), ROTO_OK);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, q), 0);
    for (int i = 0; i < N_ITEMS; i++) {
        void *item = NULL;
        assert_int_equal(queue_pop(q, &item), ROTO_OK);
        assert_ptr_equal(item, &items[i]);
    }
    void *item = &items[0];
    assert_int_equal(queue_pop(q, &item), ROTO_END);
    assert_null(item);
    pthread_join(producer, NULL);
    queue_free(q);
}

static void cancelling_wakes_a_blocked_producer_and_leaves_items_to_drain(void **state)
{
    (void)state;
    queue *q = NULL;
    assert_int_equal(queue_new(2, &q), ROTO_OK);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, q), 0);
    void *item = NULL;
    assert_int_equal(queue_pop(q, &item), ROTO_OK);
    queue_cancel(q);
    pthread_join(producer, NULL);
    assert_int_equal(queue_pop(q, &item), ROTO_CANCELLED);
    assert_int_equal(queue_push(q, &items[0]), ROTO_CANCELLED);
    int drained = 0;
    while (queue_take(q))
        drained++;
    assert_in_range(drained, 0, 2);
    queue_free(q);
}

static void waiting_for_an_item_ends_on_time(void **state)
{
    (void)state;
    const int64_t wait_ns = 20000000;
    queue *q = NULL;
    assert_int_equal(queue_new(2, &q), ROTO_OK);
    void *item = &items[0];
    int64_t start = clock_now_ns();
    assert_int_equal(queue_pop_for(q, wait_ns, &item), ROTO_OK);
    assert_null(item);
    assert_true(clock_now_ns() - start >= wait_ns);
    assert_int_equal(queue_push(q, &items[1]), ROTO_OK);
    queue_close(q);
    assert_int_equal(queue_pop_for(q, wait_ns, &item), ROTO_OK);
    assert_ptr_equal(item, &items[1]);
    assert_int_equal(queue_pop_for(q, wait_ns, &item), ROTO_END);
    queue_free(q);
}

static void a_queue_without_room_is_refused(void **state)
{
    (void)state;
    queue *q = NULL;
    assert_int_equal(queue_new(0, &q), ROTO_ERROR_ARGUMENT);
    assert_null(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_arrive_once_and_in_order),
        cmocka_unit_test(cancelling_wakes_a_blocked_producer_and_leaves_items_to_drain),
        cmocka_unit_test(waiting_for_an_item_ends_on_time),
        cmocka_unit_test(a_queue_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
