#include "command_line.h"
#include "commands.h"
#include "exit_code.h"
#include "failure.h"
#include "json_out.h"
#include "table.h"

#include <roto/roto.h>

#include <stddef.h>

static const char name[] = "roto eval mot";

static int print_table(const roto_mot_scores *scores, int32_t n)
{
    table *t = table_new("sequence HOTA DetA AssA MOTA IDF1 Recall Prec FP FN IDs Frag MT ML", n);
    if (!t) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        const roto_mot_scores *s = &scores[i];
        table_text(t, s->name);
        const double shares[] = {s->hota, s->deta,   s->assa,     s->mota,
                                 s->idf1, s->recall, s->precision};
        for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++)
            table_percent(t, shares[k]);
        const int64_t counts[] = {
            s->fp, s->fn, s->id_switches, s->fragments, s->mostly_tracked, s->mostly_lost};
        for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
            table_integer(t, counts[k]);
    }
    return table_print_free(t) ? EXIT_OK : failure_report_file(name, "write", "standard output");
}

static void write_scores(json_out *json, const roto_mot_scores *s)
{
    json_begin(json, NULL, '{');
    json_string(json, "sequence", s->name);
    const struct {
        const char *name;
        double value;
    } reals[] = {{"hota", s->hota},           {"deta", s->deta},
                 {"assa", s->assa},           {"loca", s->loca},
                 {"mota", s->mota},           {"motp", s->motp},
                 {"idf1", s->idf1},           {"id_precision", s->id_precision},
                 {"id_recall", s->id_recall}, {"recall", s->recall},
                 {"precision", s->precision}};
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
        json_real(json, reals[i].name, reals[i].value);
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {{"tp", s->tp},
                  {"fp", s->fp},
                  {"fn", s->fn},
                  {"id_switches", s->id_switches},
                  {"fragments", s->fragments},
                  {"idtp", s->idtp},
                  {"idfp", s->idfp},
                  {"idfn", s->idfn},
                  {"mostly_tracked", s->mostly_tracked},
                  {"partly_tracked", s->partly_tracked},
                  {"mostly_lost", s->mostly_lost},
                  {"n_frames", s->n_frames},
                  {"n_gt_boxes", s->n_gt_boxes},
                  {"n_gt_ids", s->n_gt_ids},
                  {"n_boxes", s->n_boxes},
                  {"n_ids", s->n_ids}};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_integer(json, counts[i].name, counts[i].value);
    json_end(json, '}');
}

static int write_json(const char *path, const roto_mot_scores *scores, int32_t n)
{
    json_out json;
    if (!json_open(&json, path))
        return failure_report_file(name, "create", path);
    json_begin(&json, NULL, '[');
    for (int32_t i = 0; i < n; i++) {
        if (i)
            fputs("\n", json.file);
        write_scores(&json, &scores[i]);
    }
    json_end(&json, ']');
    json_line(&json);
    return json_close(&json) ? EXIT_OK : failure_report_file(name, "write", path);
}

int command_eval_mot(int argc, char **argv)
{
    const char *json_path = NULL;
    option options[] = {
        option_text("--json", "OUT",
                    "write all scores and counts as JSON; - is standard\n"
                    "output, without the table then",
                    &json_path),
        {0},
    };
    const command_line c = {
        .name = name,
        .operands = "GT_DIR RESULTS_DIR [SEQUENCE...]",
        .about = "Compares tracking results with ground truth and prints HOTA, CLEAR and identity\n"
                 "scores in percent, a row for each sequence and one for all of them together.\n"
                 "GT_DIR holds SEQUENCE/gt/gt.txt, RESULTS_DIR holds SEQUENCE.txt, both in\n"
                 "MOTChallenge text. Ground truth with 0 in column 7 takes no part (the rules of\n"
                 "MOT15).",
        .examples = "  roto eval mot mot15/ results/\n"
                    "  roto eval mot mot15/ results/ KITTI-13 ETH-Sunnyday --json scores.json\n",
        .options = options,
        .least_operands = 2,
        .most_operands = 2 + 1024,
        .operand_what = "GT_DIR or RESULTS_DIR",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    roto_mot_scores *scores = NULL;
    int32_t n = 0, n_sequences = n_operands - 2;
    const char *const *sequences = (const char *const *)argv + 2;
    roto_status status =
        roto_eval_mot(argv[0], argv[1], n_sequences ? sequences : NULL, n_sequences, &scores, &n);
    if (status != ROTO_OK)
        return failure_report(name, status);
    code = json_path && json_path[0] == '-' && !json_path[1] ? EXIT_OK : print_table(scores, n);
    if (code == EXIT_OK && json_path)
        code = write_json(json_path, scores, n);
    roto_eval_free(scores);
    return code;
}
