/* Follows the people in a video and prints where each one is.
 *
 *   cc track_people.c $(pkg-config --cflags --libs roto) -o track_people
 *   ./track_people MODEL.onnx VIDEO
 */
#include <roto/roto.h>

#include <stdio.h>

static int32_t print_tracks(void *user, const roto_run_frame *found)
{
    FILE *to = user;
    for (int32_t i = 0; i < found->n_tracks; i++) {
        const roto_track *track = &found->tracks[i];
        fprintf(to, "%.2f s: person %lld at %.0f,%.0f\n", found->frame->time_s,
                (long long)track->id, (double)track->box.x0, (double)track->box.y0);
    }
    return 0; /* go on */
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: track_people MODEL.onnx VIDEO\n");
        return 1;
    }
    const char *classes[] = {"person"};
    roto_run_params params = roto_run_params_default();
    params.model_path = argv[1];
    params.input = argv[2];
    params.class_names = classes;
    params.n_class_names = 1;
    params.on_frame = print_tracks;
    params.user = stdout;

    roto_run_summary summary = {.struct_bytes = sizeof(summary)};
    roto_status status = roto_run(&params, &summary);
    if (status != ROTO_OK) {
        fprintf(stderr, "%s: %s\n", roto_status_name(status), roto_error_message());
        return 1;
    }
    fprintf(stderr, "%lld people in %lld frames\n", (long long)summary.n_identities,
            (long long)summary.n_frames);
    return 0;
}
