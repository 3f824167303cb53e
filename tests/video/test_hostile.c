#include "support/cmocka_all.h"

#include "support/temp_folder.h"

#include <libavutil/log.h>
#include <math.h>
#include <roto/video.h>

/* Opening fails with `status` and a message that names the input and holds `text`. */
static void refuse(const char *input, const roto_source_params *params, roto_status status,
                   const char *text)
{
    roto_source *source = (roto_source *)1;
    assert_int_equal(roto_source_open(input, params, &source), status);
    assert_null(source);
    assert_non_null(strstr(roto_error_message(), text));
}

static void what_is_no_video_is_refused(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "text.mp4");
    temp_folder_put(&path, "This is a text.\n", 16);
    refuse(path.text, NULL, ROTO_ERROR_FORMAT, "text.mp4: not a video");
    temp_folder_put(&path, "", 0);
    refuse(path.text, NULL, ROTO_ERROR_FORMAT, "empty");
    uint8_t noise[5000];
    uint32_t random = 7;
    for (size_t i = 0; i < sizeof(noise); i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(random >> 24);
    }
    temp_folder_put(&path, noise, sizeof(noise));
    refuse(path.text, NULL, ROTO_ERROR_FORMAT, "text.mp4");
    refuse("/nowhere/clip.mp4", NULL, ROTO_ERROR_IO, "/nowhere/clip.mp4: cannot open");
    refuse("", NULL, ROTO_ERROR_IO, "cannot open");
    refuse("nosuchprotocol://host/clip", NULL, ROTO_ERROR_UNSUPPORTED, "nosuchprotocol");
    temp_folder_remove(&folder);
}

static void audio_alone_is_refused(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    /* RIFF WAVE: 8 kHz, mono, 8 bits, 2000 samples. */
    uint8_t wav[44 + 2000] = "RIFF\xf4\x07\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f"
                             "\0\0\x01\0\x08\0data\xd0\x07\0";
    memset(wav + 44, 128, 2000);
    temp_folder_put(&path, wav, sizeof(wav));
    refuse(path.text, NULL, ROTO_ERROR_UNSUPPORTED, "no video in it");
    temp_folder_remove(&folder);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "big.y4m");
    const char *sizes[] = {"W20000 H8", "W8 H20000", "W16385 H16385", "W2000000000 H2000000000"};
    for (int i = 0; i < 4; i++) {
        char head[512] = {0};
        int n =
            snprintf(head, sizeof(head), "YUV4MPEG2 %s F25:1 Ip A1:1 C420jpeg\nFRAME\n", sizes[i]);
        temp_folder_put(&path, head, (size_t)n + 100);
        roto_source *source;
        assert_int_not_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
        assert_null(source);
        assert_non_null(strstr(roto_error_message(), "big.y4m"));
    }
    temp_folder_remove(&folder);
}

static void parameters_out_of_range_are_refused(void **state)
{
    (void)state;
    roto_source_params params = roto_source_params_default();
    params.n_threads = 0;
    refuse("a", &params, ROTO_ERROR_ARGUMENT, "n_threads");
    params = roto_source_params_default();
    params.folder_fps = 0;
    refuse("a", &params, ROTO_ERROR_ARGUMENT, "folder_fps");
    params.folder_fps = (double)NAN;
    refuse("a", &params, ROTO_ERROR_ARGUMENT, "folder_fps");
    params = roto_source_params_default();
    params.struct_bytes = 1;
    refuse("a", &params, ROTO_ERROR_ARGUMENT, "struct_bytes");
    roto_source *source;
    assert_int_equal(roto_source_open(NULL, NULL, &source), ROTO_ERROR_ARGUMENT);
    roto_source_close(NULL);
    roto_frame_release(NULL);
}

/* What FFmpeg says stays out of the terminal when it is about our work, and is printed as ever when
 * it is about the program's own. */
static void messages_go_where_they_belong(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "text.mp4"), log = temp_folder_join(&folder, "log");
    temp_folder_put(&path, "This is a text.\n", 16);
    fflush(stderr);
    int stderr_before = dup(STDERR_FILENO);
    FILE *file = fopen(log.text, "wb");
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    roto_source *source;
    roto_status status = roto_source_open(path.text, NULL, &source);
    fflush(stderr);
    off_t ours = lseek(STDERR_FILENO, 0, SEEK_END);
    av_log(NULL, AV_LOG_ERROR, "the program's own\n");
    fflush(stderr);
    off_t theirs = lseek(STDERR_FILENO, 0, SEEK_END);
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    fclose(file);
    assert_int_equal(status, ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "moov atom not found"));
    assert_int_equal(ours, 0);
    assert_true(theirs >= 17);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_video_is_refused),
        cmocka_unit_test(audio_alone_is_refused),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(messages_go_where_they_belong),
        cmocka_unit_test(parameters_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
