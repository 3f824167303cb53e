#include "support/cmocka_all.h"

#include "video/clip.h"

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

enum { FPS = 25, N_EACH = 20 };

/* Appends the coded frames of an MP4 to `file` as a raw H.264 stream (Annex B). */
static void append_raw(const char *path, FILE *file)
{
    AVFormatContext *format = NULL;
    assert_int_equal(avformat_open_input(&format, path, NULL, NULL), 0);
    AVBSFContext *filter = NULL;
    assert_int_equal(av_bsf_alloc(av_bsf_get_by_name("h264_mp4toannexb"), &filter), 0);
    assert_true(avcodec_parameters_copy(filter->par_in, format->streams[0]->codecpar) >= 0);
    assert_int_equal(av_bsf_init(filter), 0);
    AVPacket *packet = av_packet_alloc();
    while (av_read_frame(format, packet) >= 0) {
        assert_int_equal(av_bsf_send_packet(filter, packet), 0);
        while (av_bsf_receive_packet(filter, packet) == 0) {
            assert_int_equal(fwrite(packet->data, 1, (size_t)packet->size, file), packet->size);
            av_packet_unref(packet);
        }
    }
    av_packet_free(&packet);
    av_bsf_free(&filter);
    avformat_close_input(&format);
}

/* As a camera that is switched over does: each frame comes in its own size. */
static void a_stream_may_change_its_size(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path a = temp_folder_join(&folder, "a.mp4"), raw = temp_folder_join(&folder, "raw.h264");
    temp_path out = temp_folder_join(&folder, "out.mp4");
    const int sizes[3][2] = {{96, 64}, {160, 48}, {96, 64}};
    FILE *file = fopen(raw.text, "wb");
    assert_non_null(file);
    for (int i = 0; i < 3; i++) {
        clip_make(a.text, sizes[i][0], sizes[i][1], N_EACH, FPS);
        append_raw(a.text, file);
    }
    fclose(file);
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        roto_source_params params = roto_source_params_default();
        params.n_threads = n_threads;
        roto_source *source;
        assert_int_equal(roto_source_open(raw.text, &params, &source), ROTO_OK);
        video_writer *writer = clip_open(out.text, FPS);
        roto_frame *frame;
        roto_status status;
        int n = 0;
        double before_s = -1;
        for (; (status = roto_source_read(source, &frame)) == ROTO_OK; n++) {
            assert_int_equal(roto_image_check(&frame->image), ROTO_OK);
            assert_int_equal(frame->image.width, sizes[n / N_EACH][0]);
            assert_int_equal(frame->image.height, sizes[n / N_EACH][1]);
            assert_true(frame->time_s >= before_s);
            before_s = frame->time_s;
            assert_int_equal(video_writer_write(writer, &frame->image, frame->time_s, 0.04),
                             ROTO_OK);
            roto_frame_release(frame);
        }
        assert_int_equal(status, ROTO_END);
        assert_int_equal(n, 3 * N_EACH);
        roto_source_close(source);
        assert_int_equal(video_writer_close(writer), ROTO_OK);
        assert_int_equal(roto_source_open(out.text, NULL, &source), ROTO_OK);
        for (n = 0; roto_source_read(source, &frame) == ROTO_OK; n++) {
            assert_int_equal(frame->image.width, 96);
            assert_int_equal(frame->image.height, 64);
            roto_frame_release(frame);
        }
        assert_int_equal(n, 3 * N_EACH);
        roto_source_close(source);
    }
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_stream_may_change_its_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
