/* Inputs that a device makes of pictures, held against those that the host makes. Without a device
 * there is nothing to hold: the test is skipped. */
#include "support/cmocka_all.h"

#include "backend/picture.h"
#include "models/frame_device.h"
#include "models/frame_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

/* Of normalised values of up to 2.7: a few roundings. An optimised build whose compiler fuses as
 * GCC does has none to tell apart, but that is its choice. */
static const float max_error = 2e-6f;

enum { N_CASES = 150, MAX_SIDE = 200, MAX_OUT = 160, SLACK = 9 };

static const backend_table *table;
static backend *device;

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static uint32_t random_state;

static int32_t between(int32_t low, int32_t high)
{
    random_state = random_state * 1664525u + 1013904223u;
    return low + (int32_t)((uint64_t)(random_state >> 8) * (uint64_t)(high - low + 1) >> 24);
}

/* Often one pixel, a line, or what does not divide by anything. */
static int32_t side(int32_t most)
{
    const int32_t kind = between(0, 7);
    return kind == 0 ? 1 : kind == 1 ? between(2, 9) : between(10, most);
}

/* A picture in memory of its own; free with free(*memory). */
static roto_image make_picture(roto_pixel_format format, int32_t w, int32_t h, uint8_t **memory)
{
    roto_image image = {.width = w,
                        .height = h,
                        .format = format,
                        .matrix = (roto_color_matrix)between(0, 2),
                        .full_range = between(0, 1)};
    const int32_t half_w = (w + 1) / 2, half_h = (h + 1) / 2;
    const int32_t bytes[3] = {format == ROTO_PIXEL_RGB8 ? 3 * w : w,
                              format == ROTO_PIXEL_NV12      ? 2 * half_w
                              : format == ROTO_PIXEL_YUV420P ? half_w
                                                             : 0,
                              format == ROTO_PIXEL_YUV420P ? half_w : 0};
    const int32_t rows[3] = {h, half_h, half_h};
    size_t total = 0;
    for (int i = 0; i < 3; i++) {
        image.stride_bytes[i] = bytes[i] ? bytes[i] + between(0, SLACK) : 0;
        total += (size_t)image.stride_bytes[i] * (size_t)rows[i];
    }
    *memory = malloc(total);
    assert_non_null(*memory);
    for (size_t i = 0; i < total; i++)
        (*memory)[i] = (uint8_t)between(0, 255);
    uint8_t *at = *memory;
    for (int i = 0; i < 3; i++) {
        image.plane[i] = bytes[i] ? at : NULL;
        at += (size_t)image.stride_bytes[i] * (size_t)rows[i];
    }
    assert_ok(roto_image_check(&image));
    return image;
}

/* Even corners, as segment_view.c makes them, up to the edge. */
static roto_image window_of(const roto_image *image, int32_t x, int32_t y, int32_t w, int32_t h)
{
    roto_image part = *image;
    part.width = w;
    part.height = h;
    part.plane[0] += y * image->stride_bytes[0] + x * (image->format == ROTO_PIXEL_RGB8 ? 3 : 1);
    if (image->format == ROTO_PIXEL_NV12)
        part.plane[1] += y / 2 * image->stride_bytes[1] + x;
    for (int i = 1; image->format == ROTO_PIXEL_YUV420P && i < 3; i++)
        part.plane[i] += y / 2 * image->stride_bytes[i] + x / 2;
    return part;
}

/* What the device made, and that nothing behind it was touched. */
static float *read_back(const buffer *from, size_t n)
{
    buffer *host = NULL;
    float *values = malloc(n * sizeof(float));
    assert_non_null(values);
    assert_ok(table->buffer_new(device, BUFFER_HOST, from->n, &host));
    assert_ok(
        table->copy(device, QUEUE_MAIN, &(buffer_copy){.to = host, .from = from, .n = from->n}, 1));
    assert_ok(table->wait(device));
    memcpy(values, host->data, n * sizeof(float));
    for (size_t i = n; i < from->n; i++)
        assert_true(host->data[i] == 0);
    table->buffer_free(host);
    return values;
}

static void assert_same(const float *got, const float *wanted, size_t n, const roto_image *image,
                        int32_t w, int32_t h)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(got[i] - wanted[i]) <= max_error))
            fail_msg("format %d, %d x %d to %d x %d: value %zu is %.9g, not %.9g", image->format,
                     image->width, image->height, w, h, i, (double)got[i], (double)wanted[i]);
    }
}

static void check_window(frame_device *f, frame_input *host, int32_t index, const roto_image *image,
                         const roto_image *held, int32_t out_w, int32_t out_h)
{
    const int32_t x = between(0, (image->width - 1) / 2) * 2,
                  y = between(0, (image->height - 1) / 2) * 2;
    const int32_t w = between(1, image->width - x), h = between(1, image->height - y);
    const roto_image wanted_of = window_of(image, x, y, w, h), got_of = window_of(held, x, y, w, h);
    const size_t n = (size_t)out_w * (size_t)out_h * 3;
    float *wanted = malloc(n * sizeof(float));
    assert_non_null(wanted);
    assert_ok(frame_input_fill(host, &wanted_of, wanted));
    buffer *out = NULL;
    assert_ok(table->buffer_new(device, BUFFER_DEVICE, n + SLACK, &out));
    assert_ok(frame_device_choose(f, index, &got_of));
    assert_ok(frame_device_enqueue(f, QUEUE_MAIN, out));
    float *got = read_back(out, n);
    assert_same(got, wanted, n, &wanted_of, out_w, out_h);
    table->buffer_free(out);
    free(wanted);
    free(got);
}

/* Several pictures after another, several windows of each; what the picture's memory held is
 * overwritten at once. */
static void check_case(uint32_t seed, team *t)
{
    random_state = seed;
    const int32_t out_w = side(MAX_OUT), out_h = side(MAX_OUT);
    frame_device *f = NULL;
    frame_input *host = NULL;
    assert_ok(frame_device_new(table, device, out_w, out_h, mean, deviation, 2, t, &f));
    assert_ok(frame_input_new(out_w, out_h, mean, deviation, NULL, &host));
    for (int n = 0; n < 2; n++) {
        uint8_t *memory = NULL, *copy = NULL;
        const int32_t w = side(MAX_SIDE), h = side(MAX_SIDE);
        const roto_pixel_format format = (roto_pixel_format)between(0, 3);
        const uint32_t before = random_state;
        roto_image image = make_picture(format, w, h, &memory), held;
        assert_ok(frame_device_take(f, &image, &held));
        const uint32_t after = random_state;
        random_state = before; /* the same again */
        free(memory);
        image = make_picture(format, w, h, &copy);
        random_state = after;
        for (int k = 0; k < 2; k++)
            check_window(f, host, k, &image, &held, out_w, out_h);
        free(copy);
    }
    frame_device_free(f);
    frame_input_free(host);
}

static void windows_of_pictures_are_those_of_the_host(void **state)
{
    (void)state;
    team *t = NULL;
    assert_ok(team_new(2, &t));
    for (uint32_t i = 0; i < N_CASES; i++)
        check_case(7000 + i, i % 2 ? t : NULL);
    team_free(t);
}

/* So much smaller that a block cannot make many pixels of a row, and far larger. */
static void strips_are_resized(void **state)
{
    (void)state;
    static const int32_t sizes[][4] = {{ROTO_IMAGE_MAX_PX, 3, 16, 4},
                                       {ROTO_IMAGE_MAX_PX, 1, 129, 1},
                                       {3, 2000, 5, 3},
                                       {1, 1, 131, 7}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const int32_t *size = sizes[i];
        for (int format = 0; format < 4; format++) {
            frame_device *f = NULL;
            frame_input *host = NULL;
            uint8_t *memory = NULL;
            random_state = (uint32_t)(i * 4) + (uint32_t)format;
            assert_ok(
                frame_device_new(table, device, size[2], size[3], mean, deviation, 1, NULL, &f));
            assert_ok(frame_input_new(size[2], size[3], mean, deviation, NULL, &host));
            roto_image held,
                image = make_picture((roto_pixel_format)format, size[0], size[1], &memory);
            assert_ok(frame_device_take(f, &image, &held));
            const size_t n = (size_t)size[2] * (size_t)size[3] * 3;
            float *wanted = malloc(n * sizeof(float));
            assert_non_null(wanted);
            assert_ok(frame_input_fill(host, &image, wanted));
            buffer *out = NULL;
            assert_ok(table->buffer_new(device, BUFFER_DEVICE, n, &out));
            assert_ok(frame_device_choose(f, 0, &held));
            assert_ok(frame_device_enqueue(f, QUEUE_MAIN, out));
            float *got = read_back(out, n);
            assert_same(got, wanted, n, &image, size[2], size[3]);
            table->buffer_free(out);
            free(got);
            free(wanted);
            free(memory);
            frame_device_free(f);
            frame_input_free(host);
        }
    }
}

/* The next picture may come while the device has not taken the one before. */
static void a_picture_is_taken_while_the_one_before_is_on_its_way(void **state)
{
    (void)state;
    enum { W = 37, H = 23, OUT = 16, N = OUT * OUT * 3 };
    frame_device *f = NULL;
    frame_input *host = NULL;
    buffer *out[2] = {NULL, NULL};
    uint8_t *memory = NULL;
    float *wanted = malloc(2 * N * sizeof(float));
    assert_non_null(wanted);
    assert_ok(frame_device_new(table, device, OUT, OUT, mean, deviation, 1, NULL, &f));
    assert_ok(frame_input_new(OUT, OUT, mean, deviation, NULL, &host));
    for (int i = 0; i < 2; i++)
        assert_ok(table->buffer_new(device, BUFFER_DEVICE, N, &out[i]));
    assert_ok(frame_device_prepare(f, 0, W, H));
    for (int i = 0; i < 2; i++) {
        roto_image held, image = make_picture(ROTO_PIXEL_RGB8, W, H, &memory);
        assert_ok(frame_input_fill(host, &image, wanted + i * N));
        assert_ok(frame_device_take(f, &image, &held));
        assert_ok(frame_device_choose(f, 0, &held));
        assert_ok(frame_device_enqueue(f, QUEUE_MAIN, out[i]));
        free(memory);
    }
    for (int i = 0; i < 2; i++) {
        float *got = read_back(out[i], N);
        assert_same(got, wanted + i * N, N,
                    &(roto_image){.width = W, .height = H, .format = ROTO_PIXEL_RGB8}, OUT, OUT);
        free(got);
        table->buffer_free(out[i]);
    }
    free(wanted);
    frame_device_free(f);
    frame_input_free(host);
}

static void assert_refused(const picture_view *view, const char *part)
{
    assert_int_equal(table->show(device, QUEUE_MAIN, view, 1), ROTO_ERROR_INTERNAL);
    if (!strstr(roto_error_message(), part))
        fail_msg("the message is: %s", roto_error_message());
}

static void views_that_leave_their_buffers_are_refused(void **state)
{
    (void)state;
    buffer *bytes = NULL, *tables = NULL, *out = NULL, *host = NULL;
    assert_ok(table->buffer_new(device, BUFFER_DEVICE, 30, &bytes)); /* 120 bytes: 10 x 4 RGB */
    assert_ok(table->buffer_new(device, BUFFER_DEVICE, 100, &tables));
    assert_ok(table->buffer_new(device, BUFFER_DEVICE, 5 * 2 * 3, &out));
    assert_ok(table->buffer_new(device, BUFFER_HOST, 30, &host));
    const picture_view good = {
        .bytes = bytes,
        .tables = tables,
        .n_planes = 1,
        .planes = {{.stride_bytes = 30,
                    .channels = 3,
                    .x = {.at = 0, .n_in = 10, .n_out = 5, .max_taps = 8, .lanes = 1},
                    .y = {.at = 50, .n_in = 4, .n_out = 2, .max_taps = 8, .lanes = 1}}},
        .out = out,
        .width = 5,
        .height = 2};
    assert_ok(picture_view_check(&good, device));
    picture_view v = good;
    v.bytes = host;
    assert_refused(&v, "lacks buffers of the backend's device");
    v = good;
    v.out = NULL;
    assert_refused(&v, "lacks buffers of the backend's device");
    v = good;
    v.height = 3;
    assert_refused(&v, "1 planes as 5 x 3 pixels has 30 floats");
    v = good;
    v.width = 0;
    assert_refused(&v, "1 planes as 0 x 2 pixels");
    v = good;
    v.n_planes = 4;
    assert_refused(&v, "4 planes");
    v = good;
    v.planes[0].at = 1;
    assert_refused(&v, "from byte 1, does not fit 120 bytes");
    v = good;
    v.planes[0].y.n_in = 5;
    assert_refused(&v, "10 x 5 samples of 3 bytes");
    v = good;
    v.planes[0].stride_bytes = 29;
    assert_refused(&v, "does not fit 120 bytes");
    v = good;
    v.planes[0].stride_bytes = SIZE_MAX;
    assert_refused(&v, "does not fit 120 bytes");
    v = good;
    v.planes[0].y.at = 81;
    assert_refused(&v, "its tables 100 words");
    v = good;
    v.planes[0].x.n_out = 4;
    assert_refused(&v, "its tables 100 words");
    v = good;
    v.planes[0].x.lanes = 4;
    assert_refused(&v, "its tables 100 words");
    v = good;
    v.is_yuv = true;
    assert_refused(&v, "neither RGB nor YUV");
    table->buffer_free(bytes);
    table->buffer_free(tables);
    table->buffer_free(out);
    table->buffer_free(host);
}

static void a_frame_without_a_window_is_refused(void **state)
{
    (void)state;
    frame_device *f = NULL;
    buffer *out = NULL;
    uint8_t *memory = NULL;
    assert_ok(frame_device_new(table, device, 4, 4, mean, deviation, 1, NULL, &f));
    assert_ok(table->buffer_new(device, BUFFER_DEVICE, 48, &out));
    assert_int_equal(frame_device_enqueue(f, QUEUE_MAIN, out), ROTO_ERROR_INTERNAL);
    roto_image held, image = make_picture(ROTO_PIXEL_GRAY8, 9, 5, &memory);
    assert_ok(frame_device_take(f, &image, &held));
    assert_int_equal(frame_device_enqueue(f, QUEUE_MAIN, out), ROTO_ERROR_INTERNAL);
    free(memory);
    table->buffer_free(out);
    frame_device_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_of_pictures_are_those_of_the_host),
        cmocka_unit_test(strips_are_resized),
        cmocka_unit_test(a_picture_is_taken_while_the_one_before_is_on_its_way),
        cmocka_unit_test(views_that_leave_their_buffers_are_refused),
        cmocka_unit_test(a_frame_without_a_window_is_refused),
    };
    table = backend_find("cuda");
    if (table->open(&(backend_params){.n_threads = 1}, &device) != ROTO_OK) {
        puts(roto_error_message());
        return 77; /* skipped */
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    table->close(device);
    return failed;
}
