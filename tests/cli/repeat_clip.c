/* Writes the pictures of a video N times over to standard output, as one MPEG transport stream
 * whose time goes on: a long video that needs no room. repeat_clip VIDEO N
 */
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int code, const char *what)
{
    if (code >= 0)
        return;
    fprintf(stderr, "repeat_clip: %s: %s\n", what, av_err2str(code));
    exit(1);
}

static void write_packets(AVFormatContext *out, AVBSFContext *filter, int64_t shift)
{
    AVPacket *packet = av_packet_alloc();
    while (av_bsf_receive_packet(filter, packet) >= 0) {
        packet->pts += shift;
        packet->dts += shift;
        packet->stream_index = 0;
        av_packet_rescale_ts(packet, filter->time_base_out, out->streams[0]->time_base);
        check(av_interleaved_write_frame(out, packet), "write");
    }
    av_packet_free(&packet);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 1;
    AVFormatContext *in = NULL, *out = NULL;
    check(avformat_open_input(&in, argv[1], NULL, NULL), "open");
    check(avformat_find_stream_info(in, NULL), "probe");
    int video = av_find_best_stream(in, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    check(video, "find video");
    AVStream *from = in->streams[video];
    check(avformat_alloc_output_context2(&out, NULL, "mpegts", "pipe:1"), "make output");
    AVStream *to = avformat_new_stream(out, NULL);
    check(avcodec_parameters_copy(to->codecpar, from->codecpar), "copy parameters");
    to->codecpar->codec_tag = 0;
    check(avio_open(&out->pb, "pipe:1", AVIO_FLAG_WRITE), "open output");
    check(avformat_write_header(out, NULL), "write header");

    AVBSFContext *filter = NULL;
    check(av_bsf_alloc(av_bsf_get_by_name("h264_mp4toannexb"), &filter), "make filter");
    check(avcodec_parameters_copy(filter->par_in, from->codecpar), "copy parameters");
    filter->time_base_in = from->time_base;
    check(av_bsf_init(filter), "start filter");

    AVPacket *packet = av_packet_alloc();
    for (int round = 0; round < atoi(argv[2]); round++) {
        check(av_seek_frame(in, video, 0, AVSEEK_FLAG_BACKWARD), "seek");
        while (av_read_frame(in, packet) >= 0) {
            if (packet->stream_index == video) {
                check(av_bsf_send_packet(filter, packet), "filter");
                write_packets(out, filter, round * from->duration);
            }
            av_packet_unref(packet);
        }
    }
    check(av_write_trailer(out), "finish");
    av_packet_free(&packet);
    av_bsf_free(&filter);
    avio_closep(&out->pb);
    avformat_free_context(out);
    avformat_close_input(&in);
    return 0;
}
