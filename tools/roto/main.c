/* The command line of roto: finds the command and hands it the arguments. */
#include "commands.h"
#include "exit_code.h"

#include <roto/roto.h>

#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name; /* one word, or two: "eval mot" */
    const char *summary;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"track", "follow objects in a video, found or marked", command_track},
    {"detect", "find objects in single images", command_detect},
    {"segment", "find the pixels of marked objects in an image", command_segment},
    {"convert", "write a model as one safetensors file", command_convert},
    {"info", "tell about this build, a model or a video", command_info},
    {"bench", "measure speed, kernel by kernel and as a whole", command_bench},
    {"eval mot", "score tracking results: HOTA, MOTA, IDF1", command_eval_mot},
    {"eval detect", "score a detector: average precision", command_eval_detect},
    {"eval davis", "score masks through video: J and F", command_eval_davis},
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_commands(FILE *to)
{
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  roto %-14s %s\n", commands[i].name, commands[i].summary);
}

static int print_help(void)
{
    printf("roto %s: finds, follows and segments objects in video.\n\nCommands:\n", roto_version());
    print_commands(stdout);
    printf("  roto %-14s explain a command, with examples\n", "help COMMAND");
    printf("  roto %-14s print the version\n\n", "--version");
    printf("For example:\n"
           "  roto track match.mp4 --detect person --overlay out.mp4 --json out.jsonl\n"
           "  roto track match.mp4 --point 320,240 --overlay out.mp4 --masks masks/\n"
           "  roto segment photo.jpg --point 320,240 --out mask.png\n\n"
           "Exit codes: 0 done; 1 wrong usage; 2 a file cannot be read or written;\n"
           "3 a file's content is malformed; 4 not supported; 5 out of memory; 6 device\n"
           "missing or failed; 7 a defect in roto; 130 interrupted (outputs are valid).\n");
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
}

/* The command that argv begins with; *n_words is how many arguments name it. */
static const command *find_command(int argc, char **argv, int *n_words)
{
    for (int i = 0; i < N_COMMANDS; i++) {
        const char *name = commands[i].name;
        const char *space = strchr(name, ' ');
        *n_words = space ? 2 : 1;
        size_t length = space ? (size_t)(space - name) : strlen(name);
        if (argc < *n_words || strlen(argv[0]) != length || strncmp(argv[0], name, length) != 0)
            continue;
        if (!space || strcmp(argv[1], space + 1) == 0)
            return &commands[i];
    }
    return NULL;
}

static int refuse_command(int argc, char **argv)
{
    const char *names[N_COMMANDS + 2];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    names[N_COMMANDS] = "help";
    names[N_COMMANDS + 1] = "--version";
    if (strcmp(argv[0], "eval") == 0) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0) {
            print_commands(stdout);
            return EXIT_OK;
        }
        fprintf(stderr, "roto eval: %s; it is \"roto eval mot\" or \"roto eval detect\"\n",
                argc > 1 ? "unknown kind of evaluation" : "what is to be evaluated is missing");
        return EXIT_USAGE;
    }
    const char *nearest = roto_nearest_name(argv[0], names, N_COMMANDS + 2);
    fprintf(stderr, "roto: unknown command \"%s\"", argv[0]);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\n");
    print_commands(stderr);
    return EXIT_USAGE;
}

static int explain(int argc, char **argv)
{
    if (argc == 0)
        return print_help();
    int n_words;
    const command *c = find_command(argc, argv, &n_words);
    if (!c)
        return refuse_command(argc, argv);
    char help[] = "--help";
    char *arguments[] = {help, NULL};
    return c->run(1, arguments);
}

int main(int argc, char **argv)
{
    argc--;
    argv++;
    if (argc == 0) {
        fprintf(stderr, "roto: a command is missing\n");
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        return print_help();
    if (strcmp(argv[0], "help") == 0)
        return explain(argc - 1, argv + 1);
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0) {
        printf("roto %s\n", roto_version());
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
    }
    int n_words;
    const command *c = find_command(argc, argv, &n_words);
    if (!c)
        return refuse_command(argc, argv);
    return c->run(argc - n_words, argv + n_words);
}
