/* Each graph of each golden file against PyTorch, on synthetic weights and inputs. A golden file
 * says in its metadata what model it is of ("roto.config") and how its weights are made
 * ("roto.tensors"); outputs are there in full or as samples.
 *
 * Files named as arguments take the place of the committed ones: script/test-parity. */
#include "support/cmocka_all.h"
#include "support/published.h"
#include "support/relative_l2.h"
#include "support/synthetic.h"

#include "backend/backend.h"
#include "models/sam2/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* fp32 against fp32, sums in other orders: what issues 4 and 5 ask of every graph. */
#define MAX_RELATIVE_L2 1e-5

/* Where products are of bfloat16, which keeps 8 bits of each number: what issue 5 asks. */
#define MAX_RELATIVE_L2_BF16 1e-2

/* Step between samples, in elements: a prime that divides no output's size. */
enum { SAMPLE_STEP = 7919 };

typedef struct fixture {
    synthetic_model tensors;
    sam2_model *model;
    sam2_size size;
    golden *golden;
    const char *path;
    const backend_table *table;
    backend *backend;
    int64_t cells, d, mem, memory_tokens;
    precision precision;
    int n_failed;
} fixture;

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

/* The processor's products of bfloat16, or the same results without. */
static const char *bf16_isa(void)
{
    const backend_params params = {.precision = PRECISION_BF16, .n_threads = 1};
    backend *b = NULL;
    if (backend_cpu.open(&params, &b) != ROTO_OK)
        return "amx-emulated";
    backend_cpu.close(b);
    return NULL;
}

static fixture fixture_new(const char *path, const char *backend_name, precision prec)
{
    fixture f = {.path = path, .table = backend_find(backend_name)};
    f.precision = prec;
    f.golden = golden_open(path);
    f.model = published_model(f.golden, &f.tensors);
    f.size = sam2_size_for(&f.model->config, 128, 96);
    f.cells = (int64_t)f.size.w * f.size.h;
    f.d = f.model->config.d_model;
    f.mem = f.model->config.mem_dim;
    f.memory_tokens = sam2_memory_tokens(&f.model->config, &f.size);
    assert_non_null(f.table);
    const backend_params params = {
        .precision = prec, .n_threads = 2, .isa = prec == PRECISION_BF16 ? bf16_isa() : NULL};
    assert_ok(f.table->open(&params, &f.backend));
    return f;
}

static void fixture_free(fixture *f)
{
    f->table->close(f->backend);
    golden_close(f->golden);
    sam2_model_free(f->model);
    synthetic_free(&f->tensors);
}

static executable *compile(const fixture *f, const graph *g)
{
    executable *e = NULL;
    assert_ok(f->table->compile(f->backend, g, &e));
    return e;
}

static float *floats(int64_t n)
{
    float *values = malloc((size_t)n * sizeof(float));
    assert_non_null(values);
    return values;
}

/* `actual` has n values; the file all of them or samples. */
static void check_close(fixture *f, const char *name, const float *actual, int64_t n)
{
    const int64_t n_expected = golden_count(f->golden, name);
    const float *expected = golden_get(f->golden, name, n_expected);
    assert_true(n_expected <= n && (n_expected == n || n % SAMPLE_STEP));
    float *samples = floats(n_expected);
    for (int64_t i = 0; i < n_expected; i++)
        samples[i] = actual[n_expected == n ? i : i * SAMPLE_STEP % n];
    const double relative = relative_l2(samples, expected, n_expected);
    free(samples);
    const bool close =
        relative <= (f->precision == PRECISION_FP32 ? MAX_RELATIVE_L2 : MAX_RELATIVE_L2_BF16);
    printf("    %s %s: relative L2 %.2g%s\n", f->table->name, name, relative,
           close ? "" : " IS TOO MUCH");
    f->n_failed += !close;
}

static float *in(const fixture *f, executable *e, int index)
{
    return f->table->input(e, index);
}

static const float *out(const fixture *f, executable *e, int index)
{
    return f->table->output(e, index);
}

static void set_image(const fixture *f, executable *frame)
{
    synthetic_fill(in(f, frame, FRAME_IN_IMAGE), (int64_t)f->size.image_w * f->size.image_h * 3,
                   "golden.image", 2);
}

static void check_frame(fixture *f)
{
    graph *g = NULL;
    assert_ok(sam2_frame_graph(f->model, &f->size, &g));
    executable *e = compile(f, g);
    set_image(f, e);
    assert_ok(f->table->run(e));
    check_close(f, "frame.vision_features", out(f, e, FRAME_OUT_FEATURES), f->cells * f->d);
    check_close(f, "frame.high_res_s0", out(f, e, FRAME_OUT_HIGH_RES_S0), f->cells * 2 * f->d);
    check_close(f, "frame.high_res_s1", out(f, e, FRAME_OUT_HIGH_RES_S1), f->cells * f->d);
    f->table->release(e);
    graph_free(g);
}

/* Two objects' windows of one conditioning memory and the recent ones. */
static void set_positions(const fixture *f, float *positions, int64_t pointer_tokens)
{
    const int64_t slots = sam2_window_spatial(&f->model->config, 1), n = f->memory_tokens * f->mem;
    float *place = floats(n), *pointer_pos = floats(2 * pointer_tokens * f->mem);
    sam2_memory_places(&f->model->config, &f->size, place);
    synthetic_fill(pointer_pos, 2 * pointer_tokens * f->mem, "golden.pointer_pos", 0.5f);
    for (int o = 0; o < 2; o++) {
        for (int64_t slot = 0; slot < slots; slot++) {
            /* Slot 0 is conditioning, the others are ..., 3, 2 and 1 steps back. */
            const int64_t row = slot == 0 ? slots - 1 : slots - slot - 1;
            for (int64_t i = 0; i < n; i++)
                *positions++ = place[i] + f->model->maskmem_tpos_enc[row * f->mem + i % f->mem];
        }
        for (int64_t i = 0; i < pointer_tokens * f->mem; i++)
            *positions++ = pointer_pos[o * pointer_tokens * f->mem + i];
    }
    free(place);
    free(pointer_pos);
}

static void check_memory_attention(fixture *f)
{
    const sam2_config *c = &f->model->config;
    const int64_t tokens = sam2_window_tokens(c, &f->size, 1), slots = sam2_window_spatial(c, 1),
                  pointer_tokens = tokens - slots * f->memory_tokens;
    graph *frame_graph = NULL, *g = NULL;
    assert_ok(sam2_frame_graph(f->model, &f->size, &frame_graph));
    assert_ok(sam2_memory_attention_graph(f->model, &f->size, 2, 1, &g));
    executable *frame = compile(f, frame_graph), *e = compile(f, g);
    set_image(f, frame);
    assert_ok(f->table->run(frame));
    memcpy(in(f, e, ATTENTION_IN_X), out(f, frame, FRAME_OUT_X),
           (size_t)(f->cells * f->d) * sizeof(float));
    memcpy(in(f, e, ATTENTION_IN_Q), out(f, frame, FRAME_OUT_Q),
           (size_t)(f->cells * f->d) * sizeof(float));
    synthetic_fill(in(f, e, ATTENTION_IN_MEMORY), 2 * tokens * f->mem, "golden.memory", 1);
    set_positions(f, in(f, e, ATTENTION_IN_POSITIONS), pointer_tokens);
    float *valid = in(f, e, ATTENTION_IN_VALID);
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t slot = t / f->memory_tokens, pointer = t - slots * f->memory_tokens;
        valid[t] = 1;
        valid[tokens + t] = pointer < 0 ? (slot == 0 || slot == 3) : pointer < pointer_tokens / 3;
    }
    assert_ok(f->table->run(e));
    check_close(f, "memory_attention.out", out(f, e, ATTENTION_OUT_FEATURES), 2 * f->cells * f->d);
    f->table->release(e);
    f->table->release(frame);
    graph_free(g);
    graph_free(frame_graph);
}

static void set_features(const fixture *f, executable *e, int first, int n)
{
    const int64_t each = f->cells * f->d;
    float *all = floats(3 * each);
    synthetic_fill(all, 3 * each, "golden.pix_feat", 1);
    memcpy(in(f, e, DECODER_IN_FEATURES), all + first * each, (size_t)(n * each) * sizeof(float));
    free(all);
    synthetic_fill(in(f, e, DECODER_IN_HIGH_RES_S0), f->cells * 2 * f->d, "golden.s0", 1);
    synthetic_fill(in(f, e, DECODER_IN_HIGH_RES_S1), f->cells * f->d, "golden.s1", 1);
}

/* Where each object's share of an output goes in the whole. */
typedef struct decoded {
    float *masks, *ious, *scores, *pointers;
} decoded;

static void collect(const fixture *f, executable *e, int first, int n, decoded *to)
{
    const int64_t mask = SAM2_N_MASKS * f->cells * 16, pointers = SAM2_N_MASKS * f->d;
    memcpy(to->masks + first * mask, out(f, e, DECODER_OUT_MASKS),
           (size_t)(n * mask) * sizeof(float));
    memcpy(to->ious + first * SAM2_N_MASKS, out(f, e, DECODER_OUT_IOUS),
           (size_t)(n * SAM2_N_MASKS) * sizeof(float));
    memcpy(to->scores + first, out(f, e, DECODER_OUT_OBJECT_SCORE), (size_t)n * sizeof(float));
    memcpy(to->pointers + first * pointers, out(f, e, DECODER_OUT_POINTERS),
           (size_t)(n * pointers) * sizeof(float));
}

static void check_decoder(fixture *f)
{
    enum { N_SPARSE = 6 }; /* more than either prompt fills */
    const int64_t n_mask = f->cells * 16;
    decoded all = {floats(3 * SAM2_N_MASKS * n_mask), floats(3 * SAM2_N_MASKS), floats(3),
                   floats(3 * SAM2_N_MASKS * f->d)};
    graph *g = NULL;
    assert_ok(sam2_mask_decoder_graph(f->model, &f->size, 1, 0, &g));
    executable *e = compile(f, g);
    set_features(f, e, 0, 1);
    assert_ok(f->table->run(e));
    collect(f, e, 0, 1, &all);
    f->table->release(e);
    graph_free(g);

    assert_ok(sam2_mask_decoder_graph(f->model, &f->size, 2, N_SPARSE, &g));
    e = compile(f, g);
    set_features(f, e, 1, 2);
    const prompt_point clicks[2] = {{20, 30, POINT_FOREGROUND}, {90.5f, 60, POINT_BACKGROUND}},
                       box[2] = {{10, 12, POINT_BOX_TOP_LEFT}, {100, 80, POINT_BOX_BOTTOM_RIGHT}};
    float *sparse = in(f, e, DECODER_IN_SPARSE), *valid = in(f, e, DECODER_IN_VALID);
    prompt_encoder_points(&f->model->prompt_encoder, &f->size, clicks, 2, N_SPARSE, sparse);
    prompt_encoder_points(&f->model->prompt_encoder, &f->size, box, 2, N_SPARSE,
                          sparse + N_SPARSE * f->d);
    for (int i = 0; i < 2 * (SAM2_N_OUTPUT_TOKENS + N_SPARSE); i++) /* two points and a padding */
        valid[i] = i % (SAM2_N_OUTPUT_TOKENS + N_SPARSE) < SAM2_N_OUTPUT_TOKENS + 3;
    synthetic_fill(in(f, e, DECODER_IN_MASK), n_mask, "golden.mask", 8);
    synthetic_fill(in(f, e, DECODER_IN_MASK) + n_mask, n_mask, "golden.mask", 8);
    in(f, e, DECODER_IN_HAS_MASK)[0] = 0;
    in(f, e, DECODER_IN_HAS_MASK)[1] = 1;
    memset(in(f, e, DECODER_IN_NO_MEMORY), 0, 2 * sizeof(float));
    assert_ok(f->table->run(e));
    collect(f, e, 1, 2, &all);
    f->table->release(e);
    graph_free(g);

    check_close(f, "decoder.masks", all.masks, 3 * SAM2_N_MASKS * n_mask);
    check_close(f, "decoder.ious", all.ious, 3 * SAM2_N_MASKS);
    check_close(f, "decoder.object_score", all.scores, 3);
    check_close(f, "decoder.pointers", all.pointers, 3 * SAM2_N_MASKS * f->d);
    free(all.masks);
    free(all.ious);
    free(all.scores);
    free(all.pointers);
}

static void check_memory_encoder(fixture *f)
{
    graph *g = NULL;
    /* Both objects see features of their own here, so that they go one by one. */
    const int64_t n_features = f->cells * f->d, n_mask = f->cells * 16;
    float *features = floats(2 * n_features), *mask = floats(2 * n_mask);
    synthetic_fill(features, 2 * n_features, "golden.pix_feat", 1);
    synthetic_fill(mask, 2 * n_mask, "golden.memory_mask", 10);
    assert_ok(graph_new(&g));
    const tensor_id vision =
                        graph_input(g, "features", DTYPE_F32, SHAPE(1, f->size.h, f->size.w, f->d)),
                    logits = graph_input(g, "mask", DTYPE_F32,
                                         SHAPE(1, f->size.mask_h, f->size.mask_w, 1));
    graph_output(g, "memory",
                 memory_encoder_build(
                     g, &f->model->memory_encoder, &f->model->config, &f->size,
                     memory_encoder_frame_build(g, &f->model->memory_encoder, vision), logits, 1));
    assert_ok(graph_status(g));
    executable *e = compile(f, g);
    const int64_t n_memory = shape_count(&graph_tensor_at(g, graph_output_at(g, 0)->tensor)->shape);
    float *memory = floats(2 * n_memory);
    for (int o = 0; o < 2; o++) {
        memcpy(in(f, e, 0), features + o * n_features, (size_t)n_features * sizeof(float));
        memcpy(in(f, e, 1), mask + o * n_mask, (size_t)n_mask * sizeof(float));
        assert_ok(f->table->run(e));
        memcpy(memory + o * n_memory, out(f, e, 0), (size_t)n_memory * sizeof(float));
    }
    check_close(f, "memory_encoder.out", memory, 2 * n_memory);
    f->table->release(e);
    graph_free(g);
    free(features);
    free(mask);
    free(memory);
}

static void check_precision(const char *path, const char *backend_name, precision prec)
{
    fixture f = fixture_new(path, backend_name, prec);
    printf("    %s of %d x %d px in %s:\n", f.model->config.name, f.size.image_w, f.size.image_h,
           prec == PRECISION_BF16 ? "bf16" : "fp32");
    check_frame(&f);
    check_memory_attention(&f);
    check_decoder(&f);
    check_memory_encoder(&f);
    const int n_failed = f.n_failed;
    fixture_free(&f);
    if (n_failed)
        fail_msg("%s on %s: %d outputs differ by too much", path, backend_name, n_failed);
}

static void check_all(const char *path, const char *backend_name)
{
    check_precision(path, backend_name, PRECISION_FP32);
}

static void the_small_model_equals_pytorch_on_the_reference(void **state)
{
    (void)state;
    check_all("tests/models/golden/sam2_graphs.safetensors", "reference");
}

static void the_small_model_equals_pytorch(void **state)
{
    (void)state;
    check_all("tests/models/golden/sam2_graphs.safetensors", "cpu");
}

static void hiera_tiny_equals_pytorch(void **state)
{
    (void)state;
    check_all("tests/models/golden/sam2_hiera_t.safetensors", "cpu");
}

static void edgetam_equals_pytorch(void **state)
{
    (void)state;
    check_all("tests/models/golden/edgetam.safetensors", "cpu");
}

static void hiera_tiny_in_bf16_is_near_pytorch(void **state)
{
    (void)state;
    check_precision("tests/models/golden/sam2_hiera_t.safetensors", "cpu", PRECISION_BF16);
}

static void named_file_equals_pytorch(void **state)
{
    check_all(*state, "cpu");
}

static void named_file_in_bf16_is_near_pytorch(void **state)
{
    check_precision(*state, "cpu", PRECISION_BF16);
}

int main(int n_arguments, char **arguments)
{
    struct CMUnitTest named[] = {cmocka_unit_test(named_file_equals_pytorch),
                                 cmocka_unit_test(named_file_in_bf16_is_near_pytorch)};
    if (n_arguments > 1)
        return published_run_named(n_arguments, arguments, named, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_small_model_equals_pytorch_on_the_reference),
        cmocka_unit_test(the_small_model_equals_pytorch),
        cmocka_unit_test(hiera_tiny_equals_pytorch),
        cmocka_unit_test(edgetam_equals_pytorch),
        cmocka_unit_test(hiera_tiny_in_bf16_is_near_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
