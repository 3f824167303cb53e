/* roto_run() with prompts: masks in every output, and what is refused. */
#include "support/cmocka_all.h"
#include "support/temp_folder.h"

#include "format/rle.h"

#include <cJSON.h>
#include <math.h>
#include <roto/roto.h>
#include <stdbool.h>
#include <string.h>

static const char clip[] = ROTO_SOURCE_DIR "/assets/clips/bedroom.mp4";
static const char segmenter[] = ROTO_SOURCE_DIR "/assets/models/roto_s.safetensors";

enum { N_FRAMES = 4, WIDTH = 960, HEIGHT = 540, N_PIXELS = WIDTH * HEIGHT };

/* Around the two children of the clip, at its start. */
static const roto_box older = {262, 43, 459, 449}, younger = {188, 179, 330, 420};

static roto_run_prompt box_prompt(int64_t id, int64_t frame, const roto_box *box)
{
    roto_run_prompt p = {.id = id, .frame = frame, .prompt = roto_prompt_default()};
    p.prompt.box = box;
    return p;
}

static roto_run_prompt point_prompt(int64_t id, int64_t frame, const float *xy)
{
    roto_run_prompt p = {.id = id, .frame = frame, .prompt = roto_prompt_default()};
    p.prompt.points = xy;
    p.prompt.n_points = 1;
    return p;
}

static roto_run_params run_of(const roto_run_prompt *prompts, int32_t n)
{
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.segmenter_path = segmenter;
    p.prompts = prompts;
    p.n_prompts = n;
    p.max_frames = N_FRAMES;
    p.segmenter.compute.n_threads = 2;
    return p;
}

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static void assert_refused(const roto_run_params *p, const char *words)
{
    assert_int_equal(roto_run(p, NULL), ROTO_ERROR_ARGUMENT);
    if (!strstr(roto_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", roto_error_message(), words);
}

/* ---- what is written ---------------------------------------------------------------------------
 */

/* A line of JSON a frame. */
static cJSON *read_lines(const temp_path *path, int n)
{
    size_t bytes;
    char *text = temp_folder_get(path, &bytes);
    cJSON *list = cJSON_CreateArray();
    int found = 0;
    for (char *line = text; *line; found++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = 0;
        cJSON *frame = cJSON_Parse(line);
        assert_non_null(frame);
        cJSON_AddItemToArray(list, frame);
        line = end + 1;
    }
    assert_int_equal(found, n);
    free(text);
    return list;
}

static const roto_image *read_png(const temp_folder *folder, int frame, const char *name,
                                  void **storage)
{
    static roto_image image;
    char number[16];
    snprintf(number, sizeof(number), "%05d.png", frame);
    const temp_path path = temp_folder_join(folder, name ? name : number);
    assert_ok(roto_image_read_ids(path.text, &image, storage));
    return &image;
}

/* The pixels with that id are those that the object's run lengths name, and its box is around
 * them. */
static int64_t assert_object_shown(const cJSON *object, const uint8_t *ids, bool alone)
{
    static uint8_t mask[N_PIXELS];
    const int id = cJSON_GetObjectItem(object, "id")->valueint;
    const cJSON *json = cJSON_GetObjectItem(object, "mask");
    assert_non_null(json);
    const cJSON *size = cJSON_GetObjectItem(json, "size");
    assert_int_equal(cJSON_GetArrayItem(size, 0)->valueint, HEIGHT);
    assert_int_equal(cJSON_GetArrayItem(size, 1)->valueint, WIDTH);
    const char *counts = cJSON_GetObjectItem(json, "counts")->valuestring;
    rle_mask rle = {0};
    assert_ok(rle_read_text(counts, strlen(counts), WIDTH, HEIGHT, &rle));
    rle_decode(&rle, 1, mask, WIDTH);
    rle_free(&rle);
    int64_t n = 0;
    int x0 = WIDTH, y0 = HEIGHT, x1 = 0, y1 = 0;
    for (int i = 0; i < N_PIXELS; i++) {
        assert_int_equal(mask[i], ids[i] == id);
        if (!mask[i])
            continue;
        n++;
        const int x = i % WIDTH, y = i / WIDTH;
        x0 = x < x0 ? x : x0;
        x1 = x >= x1 ? x + 1 : x1;
        y0 = y < y0 ? y : y0;
        y1 = y + 1;
    }
    /* The box is around the object's own mask, of which others may cover a part. */
    const cJSON *box = cJSON_GetObjectItem(object, "box");
    const double edges[4] = {x0, y0, -x1, -y1};
    for (int i = 0; i < 4; i++) {
        const double edge = cJSON_GetArrayItem(box, i)->valuedouble * (i < 2 ? 1 : -1);
        assert_true(alone ? fabs(edge - edges[i]) < 0.01 : edge <= edges[i]);
    }
    assert_null(cJSON_GetObjectItem(object, "class_id"));
    return n;
}

static void assert_matte_agrees(const uint8_t *ids, const uint8_t *matte)
{
    int64_t n_soft = 0;
    for (int i = 0; i < N_PIXELS; i++) {
        /* The logistic function of 0 is 127.5; tables and rounding are good to a level. */
        assert_true(ids[i] ? matte[i] >= 127 : matte[i] <= 129);
        n_soft += matte[i] > 10 && matte[i] < 245;
    }
    assert_true(n_soft > 100);
}

typedef struct counts {
    int64_t frames, tracks, segments, masks_in_sight;
} counts;

static int32_t count_found(void *user, const roto_run_frame *found)
{
    counts *c = user;
    assert_int_equal(found->frame->index, c->frames++);
    c->tracks += found->n_tracks;
    c->segments += found->n_segments;
    for (int32_t i = 0; i < found->n_segments; i++)
        c->masks_in_sight += found->segments[i].area > 0;
    return 0;
}

static void all_outputs_show_the_same_masks(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new(), masks = temp_folder_new(), mattes = temp_folder_new();
    const temp_path json = temp_folder_join(&folder, "t.jsonl"),
                    mot = temp_folder_join(&folder, "t.txt"),
                    video = temp_folder_join(&folder, "t.mp4"),
                    matte_video = temp_folder_join(&folder, "matte.mp4");
    /* Not in the order of frames, and one id far from the other. */
    const roto_run_prompt prompts[] = {box_prompt(200, 2, &younger), box_prompt(3, 0, &older)};
    counts c = {0};
    roto_run_params p = run_of(prompts, 2);
    p.json_path = json.text;
    p.mot_path = mot.text;
    p.overlay_path = video.text;
    p.masks_path = masks.path;
    p.matte_path = mattes.path;
    p.on_frame = count_found;
    p.user = &c;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_ok(roto_run(&p, &s));
    assert_int_equal(s.n_frames, N_FRAMES);
    assert_int_equal(s.n_identities, 2);
    assert_int_equal(c.frames, N_FRAMES);
    assert_int_equal(c.segments, 2 * N_FRAMES - 2);
    assert_int_equal(c.tracks, c.masks_in_sight);
    assert_true(s.times.segment_s > 0 && s.times.masks_s > 0 && s.times.detect_s <= 0);
    assert_true(s.segment_median_ms > 0 && s.segment_p99_ms >= s.segment_median_ms);
    assert_int_equal(temp_folder_count(&masks), N_FRAMES);
    assert_int_equal(temp_folder_count(&mattes), N_FRAMES);

    cJSON *lines = read_lines(&json, N_FRAMES);
    for (int i = 0; i < N_FRAMES; i++) {
        void *ids_storage, *matte_storage;
        const roto_image ids = *read_png(&masks, i, NULL, &ids_storage);
        assert_true(ids.width == WIDTH && ids.height == HEIGHT);
        const cJSON *objects = cJSON_GetObjectItem(cJSON_GetArrayItem(lines, i), "objects");
        assert_int_equal(cJSON_GetArraySize(objects), i < 2 ? 1 : 2);
        int64_t n = 0, n_shown = 0;
        for (int k = 0; k < cJSON_GetArraySize(objects); k++)
            n += assert_object_shown(cJSON_GetArrayItem(objects, k), ids.plane[0], i < 2);
        for (int k = 0; k < N_PIXELS; k++)
            n_shown += ids.plane[0][k] != 0;
        assert_int_equal(n, n_shown);
        assert_in_range(n, N_PIXELS / 20, N_PIXELS / 3);
        const roto_image matte = *read_png(&mattes, i, NULL, &matte_storage);
        assert_matte_agrees(ids.plane[0], matte.plane[0]);
        roto_image_free(ids_storage);
        roto_image_free(matte_storage);
    }
    cJSON_Delete(lines);

    /* A matte as a video, of the overlay, which is one too. */
    roto_run_params again = run_of(prompts, 2);
    again.input = video.text;
    again.matte_path = matte_video.text;
    again.max_frames = 2;
    again.prompts = &prompts[1];
    again.n_prompts = 1;
    assert_ok(roto_run(&again, &s));
    assert_int_equal(s.n_frames, 2);
    roto_source *source;
    assert_ok(roto_source_open(matte_video.text, NULL, &source));
    assert_int_equal(roto_source_describe(source)->width, WIDTH);
    roto_source_close(source);
    temp_folder_remove(&folder);
    temp_folder_remove(&masks);
    temp_folder_remove(&mattes);
}

/* Pictures of a folder give their names to the masks; ids over 255 need 16 bits. */
static void masks_are_named_as_the_pictures(void **state)
{
    (void)state;
    enum { SIDE = 64 };
    temp_folder in = temp_folder_new(), out = temp_folder_new();
    static uint8_t grey[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        grey[i] = i % SIDE / 16 % 2 ? 200 : 40;
    const roto_image picture = {.width = SIDE,
                                .height = SIDE,
                                .format = ROTO_PIXEL_GRAY8,
                                .plane = {grey},
                                .stride_bytes = {SIDE}};
    static const char *const names[] = {"b 9.x.png", "b 10.x.png"};
    for (int i = 0; i < 2; i++) {
        const temp_path path = temp_folder_join(&in, names[i]);
        assert_ok(roto_image_write_png(path.text, &picture));
    }
    static uint8_t mask[SIDE * SIDE];
    for (int y = 10; y < 50; y++)
        memset(mask + y * SIDE + 16, 1, 16);
    roto_run_prompt prompts[2];
    for (int i = 0; i < 2; i++) {
        prompts[i] =
            (roto_run_prompt){.id = i ? 300 : 7, .frame = i, .prompt = roto_prompt_default()};
        prompts[i].prompt.mask = mask;
        prompts[i].prompt.mask_width = prompts[i].prompt.mask_height = SIDE;
        prompts[i].prompt.mask_stride_bytes = SIDE;
    }
    roto_run_params p = run_of(prompts, 2);
    p.input = in.path;
    p.masks_path = out.path;
    assert_ok(roto_run(&p, NULL));
    assert_int_equal(temp_folder_count(&out), 2);
    void *storage;
    const roto_image *first = read_png(&out, 0, names[0], &storage);
    assert_int_equal(first->plane[0][30 * SIDE + 24], 7);
    assert_int_equal(first->plane[0][30 * SIDE + 60], 0);
    roto_image_free(storage);
    const temp_path second = temp_folder_join(&out, names[1]);
    size_t bytes;
    char *png = temp_folder_get(&second, &bytes);
    assert_true(bytes > 26 && png[24] == 16 && png[25] == 0); /* 16 bits, grey */
    free(png);

    /* Into the input's folder they would replace it. */
    p.masks_path = in.path;
    assert_refused(&p, "are the same");
    /* Pictures whose names differ in the extension alone cannot both be shown. */
    const temp_path twin = temp_folder_join(&in, "b 9.x.jpg"),
                    png_path = temp_folder_join(&in, names[0]);
    char *copy = temp_folder_get(&png_path, &bytes);
    temp_folder_put(&twin, copy, bytes); /* told apart by content, not by name */
    free(copy);
    p.masks_path = out.path;
    assert_refused(&p, "b 9.x");
    temp_folder_remove(&in);
    temp_folder_remove(&out);
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

static void prompts_that_cannot_be_right_are_refused_before_any_work(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    const temp_path json = temp_folder_join(&folder, "t.jsonl");
    static const float outside[] = {960.5f, 3}, inside[] = {400, 200};
    static const float nan_point[] = {0.0f / 1, __builtin_nanf("")};
    static const roto_box beyond = {970, 10, 990, 20};
    static uint8_t mask[100];
    roto_run_prompt wrong_mask = {.id = 1, .prompt = roto_prompt_default()};
    wrong_mask.prompt.mask = mask;
    wrong_mask.prompt.mask_width = wrong_mask.prompt.mask_height = 10;
    wrong_mask.prompt.mask_stride_bytes = 10;
    const struct {
        roto_run_prompt prompt;
        const char *words;
    } cases[] = {
        {point_prompt(1, 3, outside),
         "prompt for frame 3: object 1: the point 960.5,3 lies outside"},
        {point_prompt(1, 0, nan_point), "object 1: point 0 is 0,nan"},
        {box_prompt(1, 0, &beyond), "lies outside the frame of 960 x 540"},
        {wrong_mask, "the mask has 10 x 10 pixels and the frame 960 x 540"},
        {point_prompt(0, 0, inside), "ids start at 1"},
        {point_prompt(1, -1, inside), "frames at 0"},
        {point_prompt(1, N_FRAMES, inside), "max_frames ends the run after frame 3"},
        {{.id = 1, .prompt = roto_prompt_default()}, "no point, no box and no mask"},
        {{.id = 1}, "does not come from roto_prompt_default()"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* A good one before it does not help. */
        const roto_run_prompt prompts[] = {point_prompt(9, 0, inside), cases[i].prompt};
        roto_run_params p = run_of(prompts, 2);
        p.json_path = json.text;
        assert_refused(&p, cases[i].words);
    }
    assert_int_equal(temp_folder_count(&folder), 0);
    temp_folder_remove(&folder);
}

static void parameters_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    static const float inside[] = {400, 200};
    roto_run_prompt prompts[3];
    for (int i = 0; i < 3; i++)
        prompts[i] = point_prompt(i + 1, 0, inside);
    roto_run_params p = run_of(prompts, 0);
    assert_refused(&p, "no prompt that marks one");
    p = run_of(NULL, 1);
    assert_refused(&p, "prompts not NULL");
    p = run_of(prompts, -1);
    assert_refused(&p, "n_prompts is -1");
    p = run_of(prompts, 3);
    p.segmenter_path = NULL;
    assert_refused(&p, "need a segmenter_path");
    p = run_of(prompts, 3);
    p.segmenter.max_objects = 2;
    assert_refused(&p, "prompts for 3 objects, but segmenter.max_objects is 2");
    p = run_of(prompts, 3);
    p.segmenter.max_batch = 3;
    assert_refused(&p, "max_batch");
    p = run_of(prompts, 0);
    p.model_path = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
    p.masks_path = "/nowhere";
    assert_refused(&p, "masks_path needs prompts");
    p = run_of(prompts, 3);
    p.segmenter_path = "/nowhere.safetensors";
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_IO);
    p = run_of(prompts, 3);
    p.masks_path = "/nowhere/masks";
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "/nowhere/masks"));
    p.masks_path = clip;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT); /* it is the input */
    p.masks_path = segmenter;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "not a folder"));
}

/* The others are followed to the end, and everything is written. */
static void a_prompt_behind_the_last_frame_is_told_at_the_end(void **state)
{
    (void)state;
    temp_folder in = temp_folder_new(), out = temp_folder_new();
    const roto_image picture = {.width = 32,
                                .height = 32,
                                .format = ROTO_PIXEL_GRAY8,
                                .plane = {(const uint8_t[32 * 32]){0}},
                                .stride_bytes = {32}};
    static const char *const names[] = {"1.png", "2.png", "3.png"};
    for (int i = 0; i < 3; i++) {
        const temp_path path = temp_folder_join(&in, names[i]);
        assert_ok(roto_image_write_png(path.text, &picture));
    }
    static const float inside[] = {16, 16};
    const roto_run_prompt prompts[] = {point_prompt(1, 3, inside), point_prompt(5, 1, inside)};
    roto_run_params p = run_of(prompts, 2);
    p.input = in.path;
    p.masks_path = out.path;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "the input has 3 frames"));
    assert_non_null(strstr(roto_error_message(), "object 1 is for frame 3"));
    assert_int_equal(s.n_frames, 3);
    assert_int_equal(s.n_identities, 1);
    assert_int_equal(temp_folder_count(&out), 3);
    temp_folder_remove(&in);
    temp_folder_remove(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_outputs_show_the_same_masks),
        cmocka_unit_test(masks_are_named_as_the_pictures),
        cmocka_unit_test(prompts_that_cannot_be_right_are_refused_before_any_work),
        cmocka_unit_test(parameters_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_prompt_behind_the_last_frame_is_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
