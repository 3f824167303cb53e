/* Buffers that executables share, on every backend that this build has: results are those of
 * executables that keep their inputs and outputs themselves, to the bit. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "backend/values.h"
#include "graph/random_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SEED = 80000, SPARE = 5 }; /* floats after what is bound */

typedef struct device {
    const backend_table *table;
    backend *b;
    int n_graphs;
} device;

/* NULL at the end. The emulated GPU is slow. */
static const struct {
    const char *name;
    int n_graphs;
} names[] = {{"reference", 500},
             {"cpu", 1000},
#ifdef ROTO_CUDA_EMULATED
             {"cuda", 100},
#endif
             {NULL, 0}};

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static void assert_refused(roto_status status, const char *part)
{
    assert_int_equal(status, ROTO_ERROR_INTERNAL);
    if (!strstr(roto_error_message(), part))
        fail_msg("the message is: %s", roto_error_message());
}

static device device_open(int index)
{
    device d = {.table = backend_find(names[index].name), .n_graphs = names[index].n_graphs};
    assert_ok(d.table->open(&(backend_params){.n_threads = 2}, &d.b));
    return d;
}

static buffer *buffer_of(const device *d, buffer_kind kind, size_t n)
{
    buffer *made = NULL;
    assert_ok(d->table->buffer_new(d->b, kind, n, &made));
    assert_int_equal(made->n, n);
    return made;
}

static size_t count_of(const graph *g, const graph_port *port)
{
    return (size_t)shape_count(&graph_tensor_at(g, port->tensor)->shape);
}

static void move(const device *d, buffer *to, const buffer *from, size_t n)
{
    assert_ok(d->table->copy(d->b, QUEUE_MAIN, &(buffer_copy){.to = to, .from = from, .n = n}, 1));
}

/* What the device has, with `n` floats more than a port. */
static float *read_back(const device *d, const buffer *from)
{
    buffer *host = buffer_of(d, BUFFER_HOST, from->n);
    float *values = malloc(from->n * sizeof(float));
    assert_non_null(values);
    move(d, host, from, from->n);
    assert_ok(d->table->wait(d->b));
    memcpy(values, host->data, from->n * sizeof(float));
    d->table->buffer_free(host);
    return values;
}

static buffer *filled(const device *d, size_t n, uint32_t seed)
{
    buffer *host = buffer_of(d, BUFFER_HOST, n + SPARE),
           *made = buffer_of(d, BUFFER_DEVICE, n + SPARE);
    values_fill(host->data, (int64_t)n, seed, 1);
    move(d, made, host, n + SPARE);
    d->table->buffer_free(host);
    return made;
}

static void check_spare(const float *values, size_t n)
{
    for (size_t i = n; i < n + SPARE; i++)
        assert_true(values[i] == 0);
}

/* Whether an output is something that a run computes, at one place. */
static bool is_computed(const graph *g, int index)
{
    const tensor_id t = graph_output_at(g, index)->tensor;
    for (int i = 0; i < index; i++) {
        if (graph_output_at(g, i)->tensor == t)
            return false;
    }
    return graph_tensor_at(g, t)->role == TENSOR_COMPUTED;
}

static void check_bound(const device *d, const graph *g, executable *plain, uint32_t seed)
{
    port_buffers ports = {.in = {NULL}};
    executable *e = NULL;
    for (int i = 0; i < graph_n_inputs(g); i++)
        ports.in[i] = filled(d, count_of(g, graph_input_at(g, i)), seed + (uint32_t)i);
    for (int i = 0; i < graph_n_outputs(g); i++) {
        if (is_computed(g, i))
            ports.out[i] = buffer_of(d, BUFFER_DEVICE, count_of(g, graph_output_at(g, i)) + SPARE);
    }
    if (d->table->compile_bound(d->b, g, &ports, &e) != ROTO_OK)
        fail_msg("graph %u: %s", seed, roto_error_message());
    for (int run = 0; run < 2; run++)
        assert_ok(d->table->enqueue(e));
    for (int i = 0; i < graph_n_inputs(g); i++) {
        const size_t n = count_of(g, graph_input_at(g, i));
        assert_null(d->table->input(e, i));
        float *now = read_back(d, ports.in[i]), *before = malloc(n * sizeof(float));
        assert_non_null(before);
        values_fill(before, (int64_t)n, seed + (uint32_t)i, 1);
        if (memcmp(now, before, n * sizeof(float)) != 0)
            fail_msg("%s, graph %u: input %d was overwritten", d->table->name, seed, i);
        check_spare(now, n);
        free(now);
        free(before);
    }
    for (int i = 0; i < graph_n_outputs(g); i++) {
        if (!ports.out[i])
            continue;
        const size_t n = count_of(g, graph_output_at(g, i));
        assert_null(d->table->output(e, i));
        float *now = read_back(d, ports.out[i]);
        if (memcmp(now, d->table->output(plain, i), n * sizeof(float)) != 0)
            fail_msg("%s, graph %u: output %d has other bits", d->table->name, seed, i);
        check_spare(now, n);
        free(now);
    }
    d->table->release(e);
    for (int i = 0; i < BACKEND_MAX_PORTS; i++) {
        d->table->buffer_free(ports.in[i]);
        d->table->buffer_free(ports.out[i]);
    }
}

static void random_graphs_give_the_same_bits_in_buffers(void **state)
{
    (void)state;
    for (int k = 0; names[k].name; k++) {
        device d = device_open(k);
        for (uint32_t seed = FIRST_SEED; seed < FIRST_SEED + (uint32_t)d.n_graphs; seed++) {
            graph *g = random_graph_new(seed);
            executable *plain = NULL;
            assert_non_null(g);
            assert_ok(d.table->compile(d.b, g, &plain));
            for (int i = 0; i < graph_n_inputs(g); i++)
                values_fill(d.table->input(plain, i), (int64_t)count_of(g, graph_input_at(g, i)),
                            seed + (uint32_t)i, 1);
            assert_ok(d.table->run(plain));
            check_bound(&d, g, plain, seed);
            d.table->release(plain);
            graph_free(g);
        }
        d.table->close(d.b);
    }
}

/* y = x * by + x */
static graph *step(float by)
{
    graph *g = NULL;
    assert_ok(graph_new(&g));
    const tensor_id x = graph_input(g, "x", DTYPE_F32, SHAPE(3, 7));
    graph_output(
        g, "y",
        graph_binary(g, BINARY_ADD, x, graph_binary(g, BINARY_MUL, x, graph_scalar(g, by))));
    assert_ok(graph_status(g));
    return g;
}

/* One graph's output is another's input; nothing is waited for but the end. */
static void what_one_executable_writes_the_next_one_reads(void **state)
{
    (void)state;
    for (int k = 0; names[k].name; k++) {
        device d = device_open(k);
        graph *twice = step(1), *thrice = step(2);
        buffer *a = buffer_of(&d, BUFFER_DEVICE, 21), *between = buffer_of(&d, BUFFER_DEVICE, 21),
               *c = buffer_of(&d, BUFFER_DEVICE, 30), *host = buffer_of(&d, BUFFER_HOST, 100);
        executable *first = NULL, *second = NULL;
        assert_ok(d.table->compile_bound(d.b, twice, &(port_buffers){.in = {a}, .out = {between}},
                                         &first));
        assert_ok(d.table->compile_bound(d.b, thrice, &(port_buffers){.in = {between}, .out = {c}},
                                         &second));
        for (int i = 0; i < 21; i++)
            host->data[i] = (float)i;
        const buffer_copy in = {.to = a, .from = host, .n = 21};
        assert_ok(d.table->copy(d.b, QUEUE_MAIN, &in, 1));
        assert_ok(d.table->enqueue(first));
        assert_ok(d.table->enqueue(second));
        /* Pieces, in one call, at odd places. */
        const buffer_copy moved[] = {{c, 21, c, 3, 8}, {a, 5, c, 13, 7}};
        assert_ok(d.table->copy(d.b, QUEUE_MAIN, moved, 2));
        const buffer_copy out[] = {{host, 30, c, 0, 30}, {host, 61, a, 0, 21}};
        assert_ok(d.table->copy(d.b, QUEUE_MAIN, out, 2));
        assert_ok(d.table->wait(d.b));
        for (int i = 0; i < 29; i++)
            assert_true(host->data[30 + i] == 6 * (float)(i < 21 ? i : i - 21 + 3));
        for (int i = 0; i < 21; i++)
            assert_true(host->data[61 + i] == (i < 5 || i >= 12 ? (float)i : 6 * (float)(i + 8)));
        d.table->release(first);
        d.table->release(second);
        buffer *const all[] = {a, between, c, host};
        for (int i = 0; i < 4; i++)
            d.table->buffer_free(all[i]);
        d.table->buffer_free(NULL);
        d.table->close(d.b);
        graph_free(twice);
        graph_free(thrice);
    }
}

/* Through a buffer of bfloat16 and back, at places that are and are not multiples of four. */
static void bfloat16_is_rounded_to_nearest_even(void **state)
{
    (void)state;
    static const struct {
        float from, to;
    } cases[] = {{1, 1},
                 {-0.0f, -0.0f},
                 {0x1.01p0f, 0x1p0f},    /* halfway: to even */
                 {0x1.03p0f, 0x1.04p0f}, /* halfway: to even */
                 {0x1.010002p0f, 0x1.02p0f},
                 {-0x1.02fffep3f, -0x1.02p3f},
                 {0x1.fffffep127f, INFINITY},
                 {INFINITY, INFINITY},
                 {0x1p-133f, 0x1p-133f}}; /* below the normal ones */
    enum { N = sizeof(cases) / sizeof(cases[0]) };
    for (int k = 0; names[k].name; k++) {
        device d = device_open(k);
        buffer *host = buffer_of(&d, BUFFER_HOST, 64), *a = buffer_of(&d, BUFFER_DEVICE, 64),
               *halves = buffer_of(&d, BUFFER_DEVICE_BF16, 64);
        for (size_t at = 0; at < 8; at++) {
            for (int i = 0; i < N; i++)
                host->data[i] = cases[i].from;
            host->data[N] = NAN;
            const buffer_copy steps[] = {{a, at, host, 0, N + 1},
                                         {halves, 4, a, at, N + 1},
                                         {a, 30 + at, halves, 4, N + 1},
                                         {host, 20, a, 30 + at, N + 1}};
            for (int i = 0; i < 4; i++)
                assert_ok(d.table->copy(d.b, QUEUE_MAIN, &steps[i], 1));
            assert_ok(d.table->wait(d.b));
            for (int i = 0; i < N; i++)
                assert_memory_equal(&host->data[20 + i], &cases[i].to, sizeof(float));
            assert_true(isnan(host->data[20 + N]));
        }
        const buffer_copy bad[] = {{halves, 0, host, 0, 1}, {host, 0, halves, 0, 1}};
        for (int i = 0; i < 2; i++)
            assert_refused(d.table->copy(d.b, QUEUE_MAIN, &bad[i], 1), "a copy of 1");
        d.table->buffer_free(host);
        d.table->buffer_free(a);
        d.table->buffer_free(halves);
        d.table->close(d.b);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    for (int k = 0; names[k].name; k++) {
        device d = device_open(k);
        graph *g = step(1);
        buffer *small = buffer_of(&d, BUFFER_DEVICE, 20), *a = buffer_of(&d, BUFFER_DEVICE, 21),
               *host = buffer_of(&d, BUFFER_HOST, 21);
        executable *e = NULL;
        assert_refused(d.table->compile_bound(d.b, g, &(port_buffers){.in = {small}}, &e),
                       "'x' of 21 floats bound to 20");
        assert_null(e);
        assert_refused(d.table->compile_bound(d.b, g, &(port_buffers){.out = {host}}, &e),
                       "of the host");
        assert_refused(d.table->compile_bound(d.b, g, &(port_buffers){.out = {NULL, a}}, &e),
                       "1 inputs and 1 outputs");
        const buffer_copy bad[] = {
            {a, 0, host, 0, 22},  {a, 22, host, 0, 0},   {a, 1, host, 0, 21},
            {small, 0, a, 0, 21}, {host, 0, host, 0, 1}, {a, 0, host, 1, SIZE_MAX},
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            assert_refused(d.table->copy(d.b, QUEUE_MAIN, &bad[i], 1), "a copy of");
        size_t too_many = SIZE_MAX / 2;
        buffer *none = NULL;
        assert_int_equal(d.table->buffer_new(d.b, BUFFER_DEVICE, too_many, &none),
                         ROTO_ERROR_MEMORY);
        assert_null(none);
        d.table->buffer_free(small);
        d.table->buffer_free(a);
        d.table->buffer_free(host);
        d.table->close(d.b);
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_give_the_same_bits_in_buffers),
        cmocka_unit_test(what_one_executable_writes_the_next_one_reads),
        cmocka_unit_test(bfloat16_is_rounded_to_nearest_even),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
