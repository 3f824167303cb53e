/* checkops - checks every operator of every backend against the reference, and times them.
 *
 *   checkops [--bench] [--self-test] [--backend NAME] [--isa NAME] [--op NAME] [--row PART]
 *            [--threads N] [--roof GFLOP/S GB/S] [--verbose]
 *
 * The cuda backend runs only when --backend names it, in fp32, bf16 and with the kernels of every
 * GPU, or as --isa says: fp32, bf16, mma. Its roof, measured elsewhere, is given.
 *
 * A new kernel is checked by the rows that are there; a new shape is a new row in rows_*.c. */
#include "backend/checkops/bench.h"
#include "backend/checkops/check.h"
#include "backend/checkops/self_test.h"
#include "base/cpu_features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    bool bench, self_test, verbose;
    const char *backend, *isa, *op, *row;
    int n_threads;
    machine_roof roof; /* 0: to be measured */
} options;

/* A backend in one of the ways that this machine can run it. */
typedef struct variant {
    const backend_table *table;
    const char *isa; /* NULL: it has only one */
    precision precision;
} variant;

/* Operators that a backend is known to lack. A row of them has to be refused; once it works, the
 * line here has to go. */
static const struct {
    const char *backend;
    op_kind op;
    const char *row; /* only rows with this in their names; NULL: all */
} expected_missing[] = {
    {"cpu", OP_CONV2D, "with a norm"}, /* it asks fusion for neither */
    {"cpu", OP_LAYER_NORM, "with an activation"},
};

static bool missing_is_expected(const backend_table *table, const check_row *row)
{
    for (size_t i = 0; i < sizeof(expected_missing) / sizeof(expected_missing[0]); i++) {
        if (expected_missing[i].op == row->op &&
            strcmp(expected_missing[i].backend, table->name) == 0 &&
            (!expected_missing[i].row || strstr(row->name, expected_missing[i].row)))
            return true;
    }
    return false;
}

static const row_list *const lists[] = {&conv_rows,  &token_rows,   &attention_rows,
                                        &image_rows, &element_rows, &move_rows};
enum { N_LISTS = sizeof(lists) / sizeof(lists[0]) };

static bool selected(const options *o, const check_row *row)
{
    return (!o->op || strcmp(op_name(row->op), o->op) == 0) &&
           (!o->row || strstr(row->name, o->row));
}

static int find_variants(const options *o, variant out[8])
{
    /* Only when asked for: it needs a GPU. */
    if (o->backend && strcmp(o->backend, "cuda") == 0) {
        const variant cuda[] = {{backend_find("cuda"), NULL, PRECISION_FP32},
                                {backend_find("cuda"), NULL, PRECISION_BF16},
                                {backend_find("cuda"), "mma", PRECISION_BF16}};
        static const char *const names[] = {"fp32", "bf16", "mma"};
        int n = 0;
        for (int i = 0; i < 3; i++) {
            if (!o->isa || strcmp(o->isa, names[i]) == 0)
                out[n++] = cuda[i];
        }
        return n;
    }
    const cpu_features cpu = cpu_features_detect();
    const variant all[] = {
        {&backend_reference, NULL, PRECISION_FP32},
        {backend_find("cpu"), "generic", PRECISION_FP32},
        {backend_find("cpu"), cpu.avx2 ? "avx2" : NULL, PRECISION_FP32},
        {backend_find("cpu"), cpu.avx512 ? "avx512" : NULL, PRECISION_FP32},
        {backend_find("cpu"), cpu.avx512_bf16 ? "avx512" : NULL, PRECISION_BF16},
        {backend_find("cpu"), cpu_amx_permit() ? "amx" : NULL, PRECISION_BF16},
        {backend_find("cpu"), "amx-emulated", PRECISION_BF16},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const variant *v = &all[i];
        if (!v->table || (i > 0 && !v->isa) ||
            (o->backend && strcmp(v->table->name, o->backend) != 0) ||
            (o->isa && (!v->isa || strcmp(v->isa, o->isa) != 0)))
            continue;
        out[n++] = *v;
    }
    return n;
}

static const char *variant_name(const variant *v, char text[64])
{
    snprintf(text, 64, "%s%s%s%s", v->table->name, v->isa ? " " : "", v->isa ? v->isa : "",
             v->precision == PRECISION_BF16 ? " bf16" : "");
    return text;
}

typedef struct tally {
    int passed[OP_COUNT], missing[OP_COUNT], failed[OP_COUNT];
    check_error worst[OP_COUNT];
} tally;

static void check_one(const options *o, const variant *v, const check_row *row, tally *t)
{
    char name[64];
    check_result r = check_row_on(row, v->table, v->isa, v->precision);
    const bool expected = missing_is_expected(v->table, row);
    if (r.verdict == CHECK_MISSING && !expected)
        r.verdict = CHECK_FAILED;
    if (r.verdict == CHECK_PASSED && expected) {
        r.verdict = CHECK_FAILED;
        snprintf(r.why, sizeof(r.why), "the operator works: take it out of expected_missing");
    }
    int *const counts[] = {
        [CHECK_PASSED] = t->passed, [CHECK_MISSING] = t->missing, [CHECK_FAILED] = t->failed};
    counts[r.verdict][row->op]++;
    check_error *worst = &t->worst[row->op];
    if (r.error.relative_l2 > worst->relative_l2)
        worst->relative_l2 = r.error.relative_l2;
    if (r.error.max > worst->max)
        worst->max = r.error.max;
    if (r.verdict == CHECK_FAILED)
        printf("FAILED %s: %s '%s': %s\n", variant_name(v, name), op_name(row->op), row->name,
               r.why);
    else if (o->verbose)
        printf("%s %s: %s '%s': %.2g in L2, %.2g at most\n",
               r.verdict == CHECK_PASSED ? "ok" : "missing", variant_name(v, name),
               op_name(row->op), row->name, r.error.relative_l2, r.error.max);
}

/* True when nothing failed and at least one row ran. */
static bool check_variant(const options *o, const variant *v)
{
    tally t = {{0}, {0}, {0}, {{0, 0}}};
    int n_run = 0, n_failed = 0;
    char name[64];
    for (int l = 0; l < N_LISTS; l++) {
        for (int i = 0; i < lists[l]->n; i++) {
            const check_row *row = &lists[l]->rows[i];
            if (row->use == ROW_BENCH || !selected(o, row))
                continue;
            check_one(o, v, row, &t);
            n_run++;
        }
    }
    printf("%s\n  %-18s %7s %7s %7s  %11s %11s\n", variant_name(v, name), "operator", "passed",
           "missing", "failed", "worst L2", "worst max");
    for (int op = 0; op < OP_COUNT; op++) {
        n_failed += t.failed[op];
        if (t.passed[op] + t.missing[op] + t.failed[op])
            printf("  %-18s %7d %7d %7d  %11.2g %11.2g\n", op_name(op), t.passed[op], t.missing[op],
                   t.failed[op], t.worst[op].relative_l2, t.worst[op].max);
    }
    return n_run > 0 && n_failed == 0;
}

static bool bench_variant(const options *o, const variant *v)
{
    char name[64];
    machine_roof roof;
    if (v->table == &backend_reference)
        return true; /* it is not made to be fast */
    if (o->roof.flops_per_s > 0) {
        roof = o->roof;
    } else if (roof_measure(v->isa ? v->isa : "generic", o->n_threads, &roof) != ROTO_OK) {
        fprintf(stderr, "checkops: %s\n", roto_error_message());
        return false;
    }
    printf("%s, %d threads: roofs %.1f GFLOP/s and %.1f GB/s\n", variant_name(v, name),
           o->n_threads, roof.flops_per_s * 1e-9, roof.bytes_per_s * 1e-9);
    for (int l = 0; l < N_LISTS; l++) {
        for (int i = 0; i < lists[l]->n; i++) {
            const check_row *row = &lists[l]->rows[i];
            if (row->use == ROW_CHECK || !selected(o, row))
                continue;
            const backend_params params = {
                .precision = v->precision, .n_threads = o->n_threads, .isa = v->isa};
            if (missing_is_expected(v->table, row))
                continue;
            if (bench_row(row, v->table, &params, &roof) != ROTO_OK)
                printf("%-16s %-52s %s\n", op_name(row->op), row->name, roto_error_message());
        }
    }
    return true;
}

static bool parse(int argc, char **argv, options *o)
{
    const struct {
        const char *name;
        const char **value;
    } texts[] = {
        {"--backend", &o->backend}, {"--isa", &o->isa}, {"--op", &o->op}, {"--row", &o->row}};
    for (int i = 1; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "--bench") == 0)
            o->bench = true;
        else if (strcmp(argv[i], "--self-test") == 0)
            o->self_test = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            o->verbose = true;
        else
            known = false;
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]) && !known && i + 1 < argc; k++) {
            if (strcmp(argv[i], texts[k].name) == 0) {
                *texts[k].value = argv[++i];
                known = true;
            }
        }
        if (!known && strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            o->n_threads = atoi(argv[++i]);
            known = o->n_threads >= 1;
        }
        if (!known && strcmp(argv[i], "--roof") == 0 && i + 2 < argc) {
            o->roof.flops_per_s = atof(argv[++i]) * 1e9;
            o->roof.bytes_per_s = atof(argv[++i]) * 1e9;
            known = o->roof.flops_per_s > 0 && o->roof.bytes_per_s > 0;
        }
        if (!known)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    options o = {.n_threads = cpu_features_detect().n_cores};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: checkops [--bench] [--self-test] [--backend NAME] [--isa NAME] "
                "[--op NAME] [--row PART] [--threads N] [--roof GFLOP/S GB/S] [--verbose]\n");
        return 2;
    }
    if (o.self_test)
        return self_test(lists, N_LISTS) ? 0 : 1;
    variant variants[8];
    const int n = find_variants(&o, variants);
    bool ok = n > 0;
    for (int i = 0; i < n; i++)
        ok = (o.bench ? bench_variant : check_variant)(&o, &variants[i]) && ok;
    return ok ? 0 : 1;
}
