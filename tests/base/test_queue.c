#include "support/cmocka_all.h"

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
        cmocka_unit_test(a_queue_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
