/* Names what was called and is no function, as V8 does: "event.Body.split is not a function". Included by quickjs.c, as
 * wording.txt says; reads the text of the function that calls, at the place of the call. */

#ifndef OFFHOOK_CALLEE
#define OFFHOOK_CALLEE

enum { CALLEE_BYTES = 160 };

typedef struct {
    const char *start, *end; /* the text of the function that calls */
    char *head, *low;        /* the name grows towards `low` */
} Callee;

static int is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '#' ||
           (unsigned char)c >= 0x80;
}

static int prepend(Callee *callee, const char *text, size_t length) {
    if ((size_t)(callee->head - callee->low) < length) return 0;
    callee->head -= length;
    memcpy(callee->head, text, length);
    return 1;
}

static const char *skip_blanks(const Callee *callee, const char *at) {
    while (at > callee->start && (at[-1] == ' ' || at[-1] == '\t' || at[-1] == '\n' || at[-1] == '\r')) at--;
    return at;
}

/* The bracket that opened what is `depth` deep before `at`; NULL where it is not found. */
static const char *opening(const Callee *callee, const char *at, int depth) {
    while (at > callee->start) {
        char c = *--at;
        if (c == ')' || c == ']' || c == '}') depth++;
        if ((c == '(' || c == '[' || c == '{') && --depth == 0) return at;
        if (c != '\'' && c != '"' && c != '`') continue;
        do {
            if (at == callee->start) return NULL;
        } while (*--at != c || (at > callee->start && at[-1] == '\\'));
    }
    return NULL;
}

/* What stands in brackets: a literal as the name of a property, a plain name as it is. */
static int prepend_key(Callee *callee, const char *from, const char *to) {
    int quoted = to - from >= 2 && (*from == '\'' || *from == '"') && to[-1] == *from;
    for (const char *c = from + quoted; c < to - quoted; c++)
        if (!is_word(*c)) return 0;
    if (quoted) return prepend(callee, from + 1, to - from - 2) && prepend(callee, ".", 1);
    return prepend(callee, "]", 1) && prepend(callee, from, to - from) && prepend(callee, "[", 1);
}

/* Words after which a bracket opens an expression, not what a call hands over. */
static int is_operator(const char *from, const char *to) {
    static const char *const words[] = { "new", "return", "await", "typeof", "in", "of", "void", "throw", "yield", "case", "if" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == (size_t)(to - from) && !memcmp(words[i], from, to - from)) return 1;
    return 0;
}

/* The expression that ends before `at`: names, members, calls and keys. */
static int prepend_expression(Callee *callee, const char *at) {
    static const char other[] = "(intermediate value)";
    for (;;) {
        const char *to = at = skip_blanks(callee, at);
        char last = at > callee->start ? at[-1] : 0;
        if (is_word(last)) {
            while (at > callee->start && is_word(at[-1])) at--;
            if (*at >= '0' && *at <= '9') return 0;
            if (!prepend(callee, at, to - at)) return 0;
            at = skip_blanks(callee, at);
            if (at == callee->start || at[-1] != '.') return 1;
            if (at - 1 > callee->start && at[-2] == '.') return 1;
            at--;
            int optional = at > callee->start && at[-1] == '?';
            at -= optional;
            if (!prepend(callee, optional ? "?." : ".", 1 + optional)) return 0;
        } else if (last == ')' || last == ']') {
            const char *open = opening(callee, at, 0), *before = open ? skip_blanks(callee, open) : NULL;
            if (!open) return 0;
            char c = before > callee->start ? before[-1] : 0;
            const char *word = before;
            while (word > callee->start && is_word(word[-1])) word--;
            if ((!is_word(c) && c != ')' && c != ']') || is_operator(word, before))
                return prepend(callee, other, sizeof other - 1);
            if (last == ')' ? !prepend(callee, "(...)", 5) : !prepend_key(callee, open + 1, at - 1)) return 0;
            at = before;
        } else {
            return prepend(callee, other, sizeof other - 1);
        }
    }
}

/* Where the function that runs is, in its text; NULL where that is not known. */
static const char *running_at(JSContext *ctx, Callee *callee, char *buffer) {
    JSStackFrame *frame = ctx->rt->current_stack_frame;
    if (!frame || JS_VALUE_GET_TAG(frame->cur_func) != JS_TAG_OBJECT) return NULL;
    JSObject *function = JS_VALUE_GET_OBJ(frame->cur_func);
    if (!js_class_has_bytecode(function->class_id) || !frame->cur_pc) return NULL;
    JSFunctionBytecode *b = function->u.func.function_bytecode;
    if (!b->source) return NULL;
    int column, line = find_line_num(ctx, b, frame->cur_pc - b->byte_code_buf - 1, &column) - b->line_num;
    *callee = (Callee){ b->source, b->source + b->source_len, buffer + CALLEE_BYTES - 1, buffer };
    *callee->head = 0;
    const char *at = callee->start;
    if (line == 0) at += column - b->col_num;
    for (; line > 0 && at < callee->end; at++)
        if (*at == '\n' && --line == 0) at += column - 1;
    return line == 0 && at >= callee->start && at < callee->end ? at : NULL;
}

/* The place of a call is that of the last name in what is called, that of a construction where `new` is or the first name. */
static const char *name_callee(JSContext *ctx, char *buffer, int constructs) {
    Callee callee;
    const char *at = running_at(ctx, &callee, buffer);
    if (!at || !is_word(*at)) return NULL;
    const char *stop = at;
    while (stop < callee.end && is_word(*stop)) stop++;
    /* The name may be a key: list[i](). */
    if (stop < callee.end && *stop == ']') stop++;
    for (;;) {
        if (stop < callee.end && *stop == '[') {
            const char *close = memchr(stop, ']', callee.end - stop);
            if (!close) return NULL;
            stop = close + 1;
        } else if (constructs && stop + 1 < callee.end && *stop == '.' && is_word(stop[1])) {
            for (stop++; stop < callee.end && is_word(*stop);) stop++;
        } else {
            break;
        }
    }
    /* Some places are those of what is handed over: no name is better than a wrong one. */
    const char *next = stop;
    while (next < callee.end && (*next == ' ' || *next == '\n' || *next == '\t' || *next == '\r')) next++;
    if (next == callee.end || (*next != '(' && *next != '`' && !constructs)) return NULL;
    return prepend_expression(&callee, stop) ? callee.head : NULL;
}

static JSValue throw_not_callable(JSContext *ctx, const char *what) {
    char buffer[CALLEE_BYTES];
    const char *name = name_callee(ctx, buffer, *what == 'c');
    if (!name) return JS_ThrowTypeError(ctx, "not a %s", what);
    return JS_ThrowTypeError(ctx, "%s is not a %s", name, what);
}

#include "destructure.c"
#include "pattern.c"

#endif
