#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CHARS = 24, LINE_BYTES = 160, DEFAULT_COLUMNS = 80 };

progress progress_new(bool quiet)
{
    return (progress){.shown = !quiet && isatty(STDERR_FILENO)};
}

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return DEFAULT_COLUMNS;
}

static void format_time(double seconds, char *text, size_t bytes)
{
    long long s = (long long)(seconds + 0.5);
    if (s < 3600)
        snprintf(text, bytes, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(text, bytes, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

void progress_update(progress *p, const roto_run_progress *state)
{
    if (!p->shown)
        return;
    char line[LINE_BYTES], left[32];
    double fps = state->elapsed_s > 0 ? (double)state->frames_done / state->elapsed_s : 0;
    long long done = state->frames_done, total = state->frames_total;
    if (total > 0 && done <= total) {
        char bar[BAR_CHARS + 1];
        int filled = (int)(done * BAR_CHARS / total);
        memset(bar, '.', BAR_CHARS);
        memset(bar, '#', (size_t)filled);
        bar[BAR_CHARS] = 0;
        format_time(fps > 0 ? (double)(total - done) / fps : 0, left, sizeof(left));
        snprintf(line, sizeof(line), "[%s] %3lld%%  %lld/%lld frames  %.1f fps  ETA %s  %d tracked",
                 bar, done * 100 / total, done, total, fps, fps > 0 ? left : "?", state->n_tracks);
    } else {
        format_time(state->elapsed_s, left, sizeof(left));
        snprintf(line, sizeof(line), "%lld frames  %.1f fps  %s  %d tracked", done, fps, left,
                 state->n_tracks);
    }
    /* A line that wraps could not be taken back. */
    fprintf(stderr, "\r\033[K%.*s", terminal_columns() - 1, line);
    fflush(stderr);
    p->drawn = true;
}

void progress_clear(progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}
