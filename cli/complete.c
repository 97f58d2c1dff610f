/* SPDX-License-Identifier: MIT */
/* Completions of shells, written from the tables of options. */
#include "cli/complete.h"

#include <errno.h>
#include <string.h>

static bool
complete_takes_files(const struct args_option *o)
{
    return o->kind == ARGS_FILE || o->kind == ARGS_LIST;
}

/* Calls fn for each option of a command. */
static void
complete_each(const struct args_spec *spec, FILE *f,
    void (*fn)(const struct args_option *o, const char *command, FILE *f),
    const char *command)
{
    for (const struct args_group *g = spec->groups; g->title != NULL; g++)
        for (const struct args_option *o = g->options; o->name != NULL; o++)
            fn(o, command, f);
}

/* The first line of a help text, without what shells would take for theirs. */
static void
complete_help(const char *help, FILE *f)
{
    for (const char *p = help; *p != '\0' && *p != '\n'; p++)
        fputc(strchr("'\"`$\\[]:", *p) != NULL ? ' ' : *p, f);
}

static void
complete_words(const char *choices, FILE *f)
{
    for (const char *p = choices; *p != '\0'; p++)
        fputc(*p == '|' ? ' ' : *p, f);
}

static void
complete_names(const struct command *commands, FILE *f)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(f, "%s%s", c == commands ? "" : " ", c->name);
}

/* ---- bash ---------------------------------------------------------------- */

static void
complete_bash_value(const struct args_option *o, const char *command, FILE *f)
{
    (void)command;
    if (o->value == NULL)
        return;
    fprintf(f, "        --%s", o->name);
    if (o->letter != '\0')
        fprintf(f, "|-%c", o->letter);
    fputs(") ", f);
    if (complete_takes_files(o)) {
        fputs("COMPREPLY=($(compgen -f -- \"$cur\")); ", f);
    } else if (o->kind == ARGS_DIR) {
        fputs("COMPREPLY=($(compgen -d -- \"$cur\")); ", f);
    } else if (o->kind == ARGS_CHOICE) {
        fputs("COMPREPLY=($(compgen -W '", f);
        complete_words(o->value, f);
        fputs("' -- \"$cur\")); ", f);
    }
    fputs("return ;;\n", f);
}

static void
complete_bash_name(const struct args_option *o, const char *command, FILE *f)
{
    (void)command;
    fprintf(f, " --%s", o->name);
}

static void
complete_bash(const struct command *commands, FILE *f)
{
    fputs("# bash completion for belay\n"
          "_belay()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    local prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
        f);
    complete_names(commands, f);
    fputs(" --help --version' -- \"$cur\"))\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
        f);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(f, "    %s)\n        case $prev in\n", c->name);
        complete_each(c->spec, f, complete_bash_value, c->name);
        fputs("        esac\n"
              "        COMPREPLY=($(compgen -W '",
            f);
        complete_each(c->spec, f, complete_bash_name, c->name);
        fputs("' -- \"$cur\")) ;;\n", f);
    }
    fputs("    esac\n}\ncomplete -F _belay belay\n", f);
}

/* ---- zsh ----------------------------------------------------------------- */

static void
complete_zsh_option(const struct args_option *o, const char *command, FILE *f)
{
    bool many = o->kind == ARGS_LIST || o->kind == ARGS_TEXTS;

    (void)command;
    for (int form = 0; form < 2; form++) {
        if (form == 0 && o->letter == '\0')
            continue;
        fprintf(f, "            '%s", many ? "*" : "");
        if (form == 0)
            fprintf(f, "-%c[", o->letter);
        else
            fprintf(f, "--%s%s[", o->name, o->value != NULL ? "=" : "");
        complete_help(o->help, f);
        fputc(']', f);
        if (o->value != NULL) {
            fprintf(f, ":%s:", o->name);
            if (complete_takes_files(o))
                fputs("_files", f);
            else if (o->kind == ARGS_DIR)
                fputs("_files -/", f);
            else if (o->kind == ARGS_CHOICE) {
                fputc('(', f);
                complete_words(o->value, f);
                fputc(')', f);
            }
        }
        fputs("' \\\n", f);
    }
}

static void
complete_zsh(const struct command *commands, FILE *f)
{
    fputs("#compdef belay\n"
          "if (( CURRENT == 2 )); then\n    compadd ",
        f);
    complete_names(commands, f);
    fputs(" -- --help --version\n    return\nfi\n"
          "local command=$words[2]\n"
          "shift words\n(( CURRENT-- ))\n"
          "case $command in\n",
        f);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(f, "    %s)\n        _arguments \\\n", c->name);
        complete_each(c->spec, f, complete_zsh_option, c->name);
        fputs("            '*: :_default'\n        ;;\n", f);
    }
    fputs("esac\n", f);
}

/* ---- fish ---------------------------------------------------------------- */

static void
complete_fish_option(const struct args_option *o, const char *command, FILE *f)
{
    fprintf(f, "complete -c belay -n '__fish_seen_subcommand_from %s' -l %s",
        command, o->name);
    if (o->letter != '\0')
        fprintf(f, " -s %c", o->letter);
    if (complete_takes_files(o)) {
        fputs(" -r -F", f);
    } else if (o->kind == ARGS_DIR) {
        fputs(" -x -a '(__fish_complete_directories)'", f);
    } else if (o->kind == ARGS_CHOICE) {
        fputs(" -x -a '", f);
        complete_words(o->value, f);
        fputc('\'', f);
    } else if (o->value != NULL) {
        fputs(" -x", f);
    }
    fputs(" -d '", f);
    complete_help(o->help, f);
    fputs("'\n", f);
}

static void
complete_fish(const struct command *commands, FILE *f)
{
    fputs("complete -c belay -f\n", f);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(f, "complete -c belay -n __fish_use_subcommand -a %s -d '",
            c->name);
        complete_help(c->spec->purpose, f);
        fputs("'\n", f);
    }
    for (const struct command *c = commands; c->name != NULL; c++)
        complete_each(c->spec, f, complete_fish_option, c->name);
}

int
complete_write(const struct command *commands, const char *shell, FILE *f)
{
    if (strcmp(shell, "bash") == 0)
        complete_bash(commands, f);
    else if (strcmp(shell, "zsh") == 0)
        complete_zsh(commands, f);
    else if (strcmp(shell, "fish") == 0)
        complete_fish(commands, f);
    else
        return -EINVAL;
    return 0;
}
