#include "support/cmocka_all.h"

#include "video/font.h"
#include "video/overlay.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTES = 64, GUARD = 0xa5, BACKGROUND = 90 };

/* A picture with guard bytes around each plane. */
typedef struct canvas {
    draw_target target;
    uint8_t *memory[3];
    size_t bytes[3];
} canvas;

static canvas canvas_new(roto_pixel_format format, int width, int height)
{
    canvas c = {.target = {.width = width, .height = height, .format = format}};
    int chroma_width = (width + 1) / 2, chroma_height = (height + 1) / 2;
    int row[3] = {width, 0, 0}, rows[3] = {height, 0, 0};
    if (format == ROTO_PIXEL_RGB8)
        row[0] = 3 * width;
    if (format == ROTO_PIXEL_YUV420P) {
        row[1] = row[2] = chroma_width;
        rows[1] = rows[2] = chroma_height;
    } else if (format == ROTO_PIXEL_NV12) {
        row[1] = 2 * chroma_width;
        rows[1] = chroma_height;
    }
    for (int i = 0; i < 3 && rows[i]; i++) {
        c.bytes[i] = (size_t)row[i] * (size_t)rows[i];
        c.memory[i] = malloc(c.bytes[i] + 2 * GUARD_BYTES);
        assert_non_null(c.memory[i]);
        memset(c.memory[i], GUARD, c.bytes[i] + 2 * GUARD_BYTES);
        memset(c.memory[i] + GUARD_BYTES, BACKGROUND, c.bytes[i]);
        c.target.plane[i] = c.memory[i] + GUARD_BYTES;
        c.target.stride_bytes[i] = row[i];
    }
    return c;
}

static void canvas_free(canvas *c)
{
    for (int i = 0; i < 3 && c->memory[i]; i++) {
        for (int k = 0; k < GUARD_BYTES; k++) {
            assert_int_equal(c->memory[i][k], GUARD);
            assert_int_equal(c->memory[i][GUARD_BYTES + c->bytes[i] + (size_t)k], GUARD);
        }
        free(c->memory[i]);
    }
}

static const uint8_t *rgb_at(const canvas *c, int x, int y)
{
    return c->target.plane[0] + y * c->target.stride_bytes[0] + 3 * x;
}

static bool is_color(const uint8_t *rgb, overlay_color color)
{
    return rgb[0] == color.r && rgb[1] == color.g && rgb[2] == color.b;
}

static void draw_one(const canvas *c, roto_box box, int64_t id)
{
    static const char *const names[] = {"person"};
    overlay *o;
    assert_int_equal(overlay_new(&o), ROTO_OK);
    roto_track track = {.id = id, .box = box, .score = 0.87f};
    assert_int_equal(overlay_draw_tracks(o, &c->target, &track, 1, names, 1), ROTO_OK);
    overlay_free(o);
}

static void a_box_has_its_color_and_leaves_the_rest(void **state)
{
    (void)state;
    canvas c = canvas_new(ROTO_PIXEL_RGB8, 1280, 720);
    draw_one(&c, (roto_box){400, 300, 600, 500}, 3);
    overlay_color color = overlay_identity_color(3);
    assert_true(is_color(rgb_at(&c, 400, 400), color));
    assert_true(is_color(rgb_at(&c, 600, 400), color));
    assert_true(is_color(rgb_at(&c, 500, 500), color));
    int n_inside = 0, n_ink = 0;
    for (int y = 0; y < 720; y++) {
        for (int x = 0; x < 1280; x++) {
            const uint8_t *rgb = rgb_at(&c, x, y);
            bool unchanged = is_color(rgb, (overlay_color){BACKGROUND, BACKGROUND, BACKGROUND});
            bool on_plate = x >= 396 && x < 560 && y >= 270 && y < 300;
            bool near_box = x >= 397 && x < 603 && y >= 297 && y < 503;
            bool inside = x >= 403 && x < 597 && y >= 303 && y < 497;
            if ((!near_box && !on_plate) || inside)
                assert_true(unchanged);
            n_inside += inside;
            n_ink += on_plate && rgb[0] > 240 && rgb[1] > 240 && rgb[2] > 240;
        }
    }
    assert_int_equal(n_inside, 194 * 194);
    assert_in_range(n_ink, 100, 1500); /* white text on the plate */
    canvas_free(&c);
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) /* FNV-1a */
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Any change of what is drawn shows here; look at the picture before changing the number. Other
 * processors may round differently. */
static void the_picture_is_the_one_we_looked_at(void **state)
{
    (void)state;
#if defined(__x86_64__) && !defined(__FMA__)
    static const char *const names[] = {"person", "sports ball"};
    canvas c = canvas_new(ROTO_PIXEL_YUV420P, 640, 360);
    overlay *o;
    assert_int_equal(overlay_new(&o), ROTO_OK);
    const roto_track tracks[] = {
        {.id = 1, .box = {20.25f, 40.5f, 120.75f, 300}, .score = 0.5f},
        {.id = 2, .box = {100, 60, 180, 90}, .class_id = 1, .score = 0.994f},
        {.id = 30, .box = {500, -20, 700, 400}, .class_id = 9, .score = 1, .missed_frames = 1},
    };
    assert_int_equal(overlay_draw_tracks(o, &c.target, tracks, 3, names, 2), ROTO_OK);
    overlay_free(o);
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < 3; i++)
        hash = hash_bytes(hash, c.target.plane[i], c.bytes[i]);
    assert_int_equal(hash, UINT64_C(0x6786647b2d3f3dfa));
    canvas_free(&c);
#else
    skip();
#endif
}

static void boxes_from_anywhere_are_harmless(void **state)
{
    (void)state;
    const float nan = (float)NAN, huge = 3e38f;
    const roto_box outside[] = {{-500, 10, -400, 90}, {900, 10, 990, 90},
                                {10, 500, 90, 590},   {nan, 0, 50, 50},
                                {0, 0, nan, 50},      {50, 50, 10, 90},
                                {20, 20, 20, 40},     {huge, huge, INFINITY, INFINITY}};
    const roto_pixel_format formats[] = {ROTO_PIXEL_RGB8, ROTO_PIXEL_GRAY8, ROTO_PIXEL_YUV420P,
                                         ROTO_PIXEL_NV12};
    for (int f = 0; f < 4; f++) {
        canvas c = canvas_new(formats[f], 101, 75);
        for (int i = 0; i < 8; i++)
            draw_one(&c, outside[i], 1);
        for (int i = 0; i < 3 && c.memory[i]; i++) {
            for (size_t k = 0; k < c.bytes[i]; k++)
                assert_int_equal(c.target.plane[i][k], BACKGROUND);
        }
        const roto_box across[] = {{-huge, -huge, huge, huge},
                                   {-10, -10, 200, 200},
                                   {-INFINITY, 5, 50, INFINITY},
                                   {90, 60, 300, 300},
                                   {100.9f, 74.9f, 102, 76},
                                   {0, 0, 0.01f, 0.01f},
                                   {3, 3, 5, 5}};
        for (int i = 0; i < 7; i++)
            draw_one(&c, across[i], i);
        canvas_free(&c);
    }
    for (int size = 1; size < 6; size++) {
        canvas c = canvas_new(ROTO_PIXEL_YUV420P, size, 6 - size);
        draw_one(&c, (roto_box){0, 0, 3, 3}, 1);
        canvas_free(&c);
    }
}

/* What a viewer makes of the stored numbers is the identity's colour. */
static void yuv_shows_the_same_color(void **state)
{
    (void)state;
    static const double weights[3][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
    for (int i = 0; i < 12; i++) {
        roto_pixel_format format = i % 2 ? ROTO_PIXEL_NV12 : ROTO_PIXEL_YUV420P;
        int matrix = i / 2 % 3, full = i / 6;
        canvas c = canvas_new(format, 64, 64);
        c.target.matrix = (roto_color_matrix)matrix;
        c.target.full_range = full;
        overlay *o;
        assert_int_equal(overlay_new(&o), ROTO_OK);
        roto_track track = {.id = 5 + i, .box = {8, 8, 56, 56}};
        static const char *const names[] = {""};
        assert_int_equal(overlay_draw_tracks(o, &c.target, &track, 1, names, 1), ROTO_OK);
        overlay_free(o);
        /* The left end of the plate, before the text. */
        const draw_target *t = &c.target;
        int x = 8, y = 0;
        while (t->plane[0][y * t->stride_bytes[0] + x] == BACKGROUND)
            y++;
        y = (y + 5) & ~1;
        bool interleaved = format == ROTO_PIXEL_NV12;
        const uint8_t *u =
            t->plane[1] + y / 2 * t->stride_bytes[1] + (interleaved ? 2 : 1) * (x / 2);
        const uint8_t *v = interleaved ? u + 1 : t->plane[2] + y / 2 * t->stride_bytes[2] + x / 2;
        double luma = t->plane[0][y * t->stride_bytes[0] + x];
        double du = *u - 128, dv = *v - 128;
        if (!full) {
            luma = (luma - 16) * 255 / 219;
            du = du * 255 / 224;
            dv = dv * 255 / 224;
        }
        double kr = weights[matrix][0], kb = weights[matrix][1];
        double r = luma + 2 * (1 - kr) * dv, b = luma + 2 * (1 - kb) * du;
        double g = (luma - kr * r - kb * b) / (1 - kr - kb);
        overlay_color color = overlay_identity_color(track.id);
        assert_true(fabs(r - color.r) < 3 && fabs(g - color.g) < 3 && fabs(b - color.b) < 3);
        canvas_free(&c);
    }
}

static void identities_have_distinct_colors(void **state)
{
    (void)state;
    for (int i = 1; i <= 200; i++) {
        overlay_color a = overlay_identity_color(i);
        for (int j = i + 1; j < i + 12; j++) {
            overlay_color b = overlay_identity_color(j);
            int distance = abs(a.r - b.r) + abs(a.g - b.g) + abs(a.b - b.b);
            assert_true(distance > 60);
        }
    }
    overlay_identity_color(INT64_MIN);
    overlay_identity_color(INT64_MAX);
}

static void a_mask_is_tinted_inside_its_contour(void **state)
{
    (void)state;
    enum { SIDE = 61 };
    uint8_t mask[SIDE * SIDE] = {0};
    for (int y = 20; y < 41; y++)
        memset(mask + y * SIDE + 13, y % 3 + 1, 28);
    const overlay_color color = {250, 200, 60};
    canvas rgb = canvas_new(ROTO_PIXEL_RGB8, SIDE, SIDE);
    canvas yuv = canvas_new(ROTO_PIXEL_YUV420P, SIDE, SIDE);
    overlay *o;
    assert_int_equal(overlay_new(&o), ROTO_OK);
    assert_int_equal(overlay_draw_mask(o, &rgb.target, mask, SIDE, color), ROTO_OK);
    assert_int_equal(overlay_draw_mask(o, &yuv.target, mask, SIDE, color), ROTO_OK);
    overlay_free(o);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            bool inside = y >= 20 && y < 41 && x >= 13 && x < 41;
            bool rim = inside && (y < 22 || y >= 39 || x < 15 || x >= 39);
            double share = !inside ? 0 : rim ? 230 / 255.0 : 115 / 255.0;
            double expected = BACKGROUND + (color.r - BACKGROUND) * share;
            assert_true(fabs(rgb_at(&rgb, x, y)[0] - expected) <= 0.51);
            uint8_t luma = yuv.target.plane[0][y * SIDE + x];
            assert_int_equal(luma == BACKGROUND, !inside);
        }
    }
    canvas_free(&rgb);
    canvas_free(&yuv);
}

static void ids_are_drawn_into_a_copy_in_the_colors_of_identities(void **state)
{
    (void)state;
    enum { WIDTH = 40, HEIGHT = 31 };
    static uint8_t grey[HEIGHT * WIDTH], ids[HEIGHT * WIDTH];
    memset(grey, BACKGROUND, sizeof(grey));
    memset(ids, 0, sizeof(ids));
    for (int y = 4; y < 27; y++) {
        memset(ids + y * WIDTH + 3, 5, 14);
        memset(ids + y * WIDTH + 17, 255, 14);
    }
    roto_image image = {.width = WIDTH,
                        .height = HEIGHT,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {grey},
                        .stride_bytes = {WIDTH}};
    roto_image objects = image, out;
    objects.plane[0] = ids;
    void *storage;
    assert_int_equal(roto_image_draw_ids(&image, &objects, &out, &storage), ROTO_OK);
    assert_true(out.format == ROTO_PIXEL_RGB8 && out.width == WIDTH && out.height == HEIGHT);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const uint8_t *rgb = out.plane[0] + y * out.stride_bytes[0] + 3 * x;
            const overlay_color color = overlay_identity_color(ids[y * WIDTH + x]);
            const uint8_t wanted[3] = {color.r, color.g, color.b};
            for (int i = 0; i < 3; i++) { /* from the background towards the colour */
                const int moved = rgb[i] - BACKGROUND, way = wanted[i] - BACKGROUND;
                if (ids[y * WIDTH + x] == 0)
                    assert_int_equal(moved, 0);
                else if (way != 0)
                    assert_true(10 * moved / way >= 2 && 10 * moved / way <= 10);
            }
        }
    }
    assert_int_equal(grey[10 * WIDTH + 10], BACKGROUND);
    roto_image_free(storage);
    objects.width--;
    assert_int_equal(roto_image_draw_ids(&image, &objects, &out, &storage), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "ids of 39 x 31 for a picture of 40 x 31"));
    assert_null(storage);
}

static void every_glyph_is_drawn_once_and_its_own(void **state)
{
    (void)state;
    enum { WIDTH = 160, HEIGHT = 160 };
    font *f;
    assert_int_equal(font_new(0, &f), ROTO_ERROR_ARGUMENT);
    assert_int_equal(font_new(70, &f), ROTO_OK);
    static uint8_t tiles[FONT_N_GLYPHS][WIDTH * HEIGHT];
    for (int i = 1; i < FONT_N_GLYPHS; i++) {
        char text[2] = {(char)(32 + i), 0};
        assert_true(font_text_width(f, text) < WIDTH - 20);
        font_draw(f, text, 20, 110, tiles[i], WIDTH, HEIGHT);
        long sum = 0;
        for (int k = 0; k < WIDTH * HEIGHT; k++) {
            sum += tiles[i][k];
            bool rim = k < WIDTH || k >= WIDTH * (HEIGHT - 1) || k % WIDTH == 0;
            assert_true(!rim || tiles[i][k] == 0); /* the path stays in its cell */
        }
        /* From a dot (a disc of 10 px) to the longest outline. */
        assert_in_range(sum, 255 * 70, 255 * 4500);
        for (int j = 1; j < i; j++)
            assert_memory_not_equal(tiles[i], tiles[j], sizeof(tiles[i]));
    }
    /* What is not ASCII is one question mark a character, and nothing is drawn outside the tile. */
    assert_true(font_text_width(f, "\xc3\xa9\x01\xff") == font_text_width(f, "???"));
    uint8_t small[4 * 4 + 2] = {0};
    font_draw(f, "W@gM", -50, 30, small + 1, 4, 4);
    assert_int_equal(small[0] | small[17], 0);
    font_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_has_its_color_and_leaves_the_rest),
        cmocka_unit_test(the_picture_is_the_one_we_looked_at),
        cmocka_unit_test(boxes_from_anywhere_are_harmless),
        cmocka_unit_test(yuv_shows_the_same_color),
        cmocka_unit_test(identities_have_distinct_colors),
        cmocka_unit_test(a_mask_is_tinted_inside_its_contour),
        cmocka_unit_test(ids_are_drawn_into_a_copy_in_the_colors_of_identities),
        cmocka_unit_test(every_glyph_is_drawn_once_and_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
