/* Names what cannot be iterated or taken apart, as V8 does: "event.items is not iterable", "Cannot destructure property
 * 'a' of 'event.b' as it is undefined." Included by callee.c, whose text of the running function it reads. */

enum { MAX_NESTED = 4 };

/* What an expression is, as far as its name depends on it. */
typedef enum { UNNAMED, NAME, MEMBER, CALL, AWAITED, OTHER } Expression;

typedef struct {
    const char *at, *end;
    int calls; /* whether what is called shows that: f(...) */
    int depth;
} Reader;

static const char *skip_forward(const char *at, const char *end) {
    for (;;) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
        if (end - at < 2 || at[0] != '/' || (at[1] != '/' && at[1] != '*')) return at;
        int block = at[1] == '*';
        for (at += 2; at < end && !(block ? at[0] == '*' && end - at > 1 && at[1] == '/' : *at == '\n');) at++;
        if (at < end) at += block ? 2 : 1;
    }
}

/* Behind the bracket that closes the one at `at`; NULL where it is not found. */
static const char *closing(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '/') {
            const char *next = skip_forward(at, end);
            if (next != at) {
                at = next;
                continue;
            }
        }
        at++;
        if (c == '(' || c == '[' || c == '{') depth++;
        if ((c == ')' || c == ']' || c == '}') && --depth == 0) return at;
        if (c != '\'' && c != '"' && c != '`') continue;
        while (at < end && *at != c) at += *at == '\\' ? 2 : 1;
        at++;
    }
    return NULL;
}

static int put(char *to, const char *text, size_t length) {
    size_t used = strlen(to);
    if (used + length >= CALLEE_BYTES) return 0;
    memcpy(to + used, text, length);
    to[used + length] = 0;
    return 1;
}

static int put_text(char *to, const char *text) { return put(to, text, strlen(text)); }

static int begins_with(const Reader *reader, const char *word) {
    size_t length = strlen(word);
    return (size_t)(reader->end - reader->at) > length && !memcmp(reader->at, word, length) && !is_word(reader->at[length]);
}

static Expression read_expression(Reader *reader, char *to);

static const char INTERMEDIATE[] = "(intermediate value)";

static Expression read_first(Reader *reader, char *to) {
    const char *from = reader->at = skip_forward(reader->at, reader->end);
    if (from == reader->end) return UNNAMED;
    /* Words that no name begins with. */
    static const char *const others[] = { "new", "function", "async", "class", "typeof", "void", "delete", "yield" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins_with(reader, others[i])) return UNNAMED;
    if (*from == '\'' || *from == '"') {
        for (reader->at++; reader->at < reader->end && *reader->at != *from;) reader->at += *reader->at == '\\' ? 2 : 1;
        if (reader->at >= reader->end) return UNNAMED;
        reader->at++;
        return put_text(to, "\"") && put(to, from + 1, reader->at - from - 2) && put_text(to, "\"") ? NAME : UNNAMED;
    }
    if (*from == '{' || *from == '[') {
        const char *after = closing(from, reader->end);
        if (!after || skip_forward(from + 1, after) != after - 1) return UNNAMED;
        reader->at = after;
        return put_text(to, *from == '{' ? "{}" : "[]") ? NAME : UNNAMED;
    }
    if (*from == '(') {
        const char *after = closing(from, reader->end);
        if (!after) return UNNAMED;
        Reader inner = { from + 1, after - 1, reader->calls, reader->depth + 1 };
        Expression kind = inner.depth < MAX_NESTED ? read_expression(&inner, to) : UNNAMED;
        if (kind == UNNAMED || skip_forward(inner.at, inner.end) != inner.end) return UNNAMED;
        reader->at = after;
        return kind;
    }
    while (reader->at < reader->end && is_word(*reader->at)) reader->at++;
    return reader->at > from && put(to, from, reader->at - from) ? NAME : UNNAMED;
}

/* A key in brackets: a text as a member, else what stands there. */
static int read_key(Reader *reader, char *to) {
    const char *after = closing(reader->at, reader->end);
    if (!after) return 0;
    const char *from = skip_forward(reader->at + 1, after);
    char quote = *from;
    reader->at = after;
    if (quote == '\'' || quote == '"' || quote == '`') {
        const char *stop = memchr(from + 1, quote, after - from - 1);
        if (!stop || skip_forward(stop + 1, after) != after - 1 || memchr(from, '$', stop - from)) return 0;
        return put_text(to, ".") && put(to, from + 1, stop - from - 1);
    }
    Reader inner = { from, after - 1, reader->calls, reader->depth + 1 };
    if (inner.depth >= MAX_NESTED || !put_text(to, "[") || read_expression(&inner, to) == UNNAMED) return 0;
    return skip_forward(inner.at, inner.end) == inner.end && put_text(to, "]");
}

/* A name with its members and calls. */
static Expression read_chain(Reader *reader, char *to) {
    reader->at = skip_forward(reader->at, reader->end);
    if (begins_with(reader, "await")) {
        char unused[CALLEE_BYTES] = "";
        reader->at += 5;
        Reader operand = *reader;
        if (read_chain(&operand, unused) == UNNAMED) return UNNAMED;
        reader->at = operand.at;
        return put_text(to, INTERMEDIATE) ? AWAITED : UNNAMED;
    }
    size_t begin = strlen(to);
    int optional = 0;
    Expression kind = read_first(reader, to);
    while (kind != UNNAMED) {
        const char *at = skip_forward(reader->at, reader->end);
        char c = at < reader->end ? *at : 0;
        if (c == '?' && reader->end - at > 1 && at[1] == '.') {
            optional = 1;
            at += 2;
            c = at < reader->end ? *at : 0;
            if (is_word(c)) c = '.', at--;
        }
        if (c == '.') {
            const char *from = at = skip_forward(at + 1, reader->end);
            while (at < reader->end && is_word(*at)) at++;
            if (at == from || !put_text(to, ".") || !put(to, from, at - from)) return UNNAMED;
            reader->at = at;
            kind = MEMBER;
        } else if (c == '[') {
            reader->at = at;
            if (!read_key(reader, to)) return UNNAMED;
            kind = MEMBER;
        } else if (c == '(') {
            reader->at = closing(at, reader->end);
            if (!reader->at || (reader->calls && !put_text(to, "(...)"))) return UNNAMED;
            kind = CALL;
        } else {
            break;
        }
    }
    if (kind == UNNAMED || !optional) return kind;
    to[begin] = 0;
    return put_text(to, INTERMEDIATE) ? OTHER : UNNAMED;
}

/* Also what `||`, `&&` and `??` join, and what `?` decides. */
static Expression read_expression(Reader *reader, char *to) {
    static const char *const joins[] = { "||", "&&", "\?\?" };
    char made[CALLEE_BYTES] = "";
    const char *join = NULL;
    for (;;) {
        Expression kind = read_chain(reader, made);
        if (kind == UNNAMED) return UNNAMED;
        const char *at = skip_forward(reader->at, reader->end), *next = NULL;
        if (at == reader->end || strchr(";,)]}", *at)) {
            if (join) return put_text(to, "(") && put_text(to, made) && put_text(to, ")") ? OTHER : UNNAMED;
            return put_text(to, made) ? kind : UNNAMED;
        }
        for (int i = 0; i < 3; i++)
            if (reader->end - at > 2 && !memcmp(at, joins[i], 2)) next = joins[i];
        if (!next) {
            if (*at == '?') {
                reader->at = reader->end;
                return put_text(to, "(intermediate value)(intermediate value)(intermediate value)") ? OTHER : UNNAMED;
            }
            /* A statement may end with its line. */
            int ends = is_word(*at) && memchr(reader->at, '\n', at - reader->at) != NULL;
            return ends && !join && put_text(to, made) ? kind : UNNAMED;
        }
        if (join && join != next) return UNNAMED;
        join = next;
        reader->at = at + 2;
        if (!put_text(made, " ") || !put_text(made, join) || !put_text(made, " ")) return UNNAMED;
    }
}

/* What a value is that no text is there for. */
static void describe(JSContext *ctx, JSValueConst value, char *to) {
    int tag = JS_VALUE_GET_NORM_TAG(value);
    const char *text = NULL;
    put_text(to, JS_IsUndefined(value) ? "undefined" : JS_IsBool(value) ? "boolean" : JS_IsNumber(value) ? "number"
             : JS_IsSymbol(value) ? "symbol" : tag == JS_TAG_BIG_INT || tag == JS_TAG_SHORT_BIG_INT ? "bigint"
             : JS_IsFunction(ctx, value) ? "function" : "object");
    if (JS_IsNull(value) || JS_IsBool(value) || JS_IsNumber(value)) text = JS_ToCString(ctx, value);
    if (text && put_text(to, " ")) put_text(to, text);
    JS_FreeCString(ctx, text);
}

/* Whether the brackets at `at` are what a `const`, `let` or `var` declares. */
static int is_declared(const Callee *callee, const char *at) {
    const char *to = skip_blanks(callee, at), *from = to;
    while (from > callee->start && is_word(from[-1])) from--;
    return (to - from == 5 && !memcmp(from, "const", 5)) || (to - from == 3 && (!memcmp(from, "let", 3) || !memcmp(from, "var", 3)));
}

/* Behind the `=` at `at`, or NULL where there is none. */
static const char *assigned(const char *at, const char *end) {
    at = skip_forward(at, end);
    return end - at > 1 && at[0] == '=' && at[1] != '=' && at[1] != '>' ? at + 1 : NULL;
}

static int follows_of(const char *at, const char *end) {
    Reader reader = { skip_forward(at, end), end };
    return begins_with(&reader, "of");
}

static JSValue throw_not_iterable(JSContext *ctx, JSValueConst value, bool is_async) {
    char buffer[CALLEE_BYTES], name[CALLEE_BYTES] = "", described[CALLEE_BYTES] = "";
    const char *kind_of = is_async ? "async iterable" : "iterable";
    Callee callee;
    const char *at = running_at(ctx, &callee, buffer);
    describe(ctx, value, described);
    if (!at) goto unnamed;
    int spreads = callee.end - at > 3 && !memcmp(at, "...", 3);
    const char *pattern = *at == '[' ? closing(at, callee.end) : NULL;
    if (pattern && !assigned(pattern, callee.end) && !follows_of(pattern, callee.end)) {
        const char *next = skip_forward(pattern, callee.end);
        if (next == callee.end || *next == ')' || *next == ',' || *next == ']' || *next == '}') goto unnamed;
        pattern = NULL;
    }
    if (pattern && follows_of(pattern, callee.end)) return JS_ThrowTypeError(ctx, ".for is not %s", kind_of);
    if (pattern && !is_declared(&callee, at)) goto unnamed;
    if (spreads && !JS_IsUndefined(value) && !JS_IsNull(value))
        return JS_ThrowTypeError(ctx, "Spread syntax requires ...iterable[Symbol.iterator] to be a function");
    Reader reader = { pattern ? assigned(pattern, callee.end) : at + (spreads ? 3 : 0), callee.end };
    Expression kind = read_expression(&reader, name);
    if (kind == UNNAMED || kind == OTHER || (pattern && (kind == MEMBER || strchr(name, '.')))) goto unnamed;
    if (spreads)
        return JS_ThrowTypeError(ctx, "%s is not iterable (cannot read property %s)", name, JS_IsNull(value) ? "null" : "undefined");
    if (kind == CALL) return JS_ThrowTypeError(ctx, "%s is not a function or its return value is not %s", name, kind_of);
    return JS_ThrowTypeError(ctx, "%s is not %s", name, kind_of);
unnamed:
    return JS_ThrowTypeError(ctx, "%s is not iterable (cannot read property Symbol(Symbol.iterator))", described);
}

static JSValue iterator_of(JSContext *ctx, JSValueConst value) {
    if (JS_IsUndefined(value) || JS_IsNull(value)) return throw_not_iterable(ctx, value, 0);
    return JS_GetProperty(ctx, value, JS_ATOM_Symbol_iterator);
}

/* The name of the first property of a pattern, where one stands there; `has_default` tells of a value for want of it. */
static int first_property(const char *at, const char *end, char *to, int *has_default) {
    const char *from = at;
    if (*at == '\'' || *at == '"') {
        const char *stop = memchr(at + 1, *at, end - at - 1);
        if (!stop || !put(to, at + 1, stop - at - 1)) return 0;
        at = stop + 1;
    } else {
        while (at < end && is_word(*at)) at++;
        if (at == from || !put(to, from, at - from)) return 0;
    }
    at = skip_forward(at, end);
    if (at < end && *at == ':') {
        at = skip_forward(at + 1, end);
        if (at < end && (*at == '{' || *at == '[')) at = closing(at, end);
        else while (at < end && is_word(*at)) at++;
    }
    *has_default = at && assigned(at, end) != NULL;
    return 1;
}

/* What is taken apart by the pattern whose bracket is at `open`; 0 where that has no name. */
static int pattern_source(JSContext *ctx, const Callee *callee, const char *open, JSValueConst value, char *to) {
    const char *after = closing(open, callee->end), *before = skip_blanks(callee, open);
    if (!after || before == callee->start) return 0;
    const char *source = assigned(after, callee->end);
    if (follows_of(after, callee->end)) return put_text(to, ".for");
    char c = before[-1];
    const char *bracket = c == ',' ? opening(callee, before, 1) : c == '(' || c == '[' ? before - 1 : NULL;
    if (!source && (c == ':' || (bracket && *bracket == '['))) return 0;
    if (bracket && *bracket == '(') {
        const char *word = skip_blanks(callee, bracket), *over = closing(bracket, callee->end);
        if (!source && word - callee->start > 5 && !memcmp(word - 5, "catch", 5)) return put_text(to, ".catch");
        over = over ? skip_forward(over, callee->end) : NULL;
        int parameter = over && over < callee->end && (*over == '{' || (callee->end - over > 1 && *over == '=' && over[1] == '>'));
        if (!source) return describe(ctx, value, to), 1;
        if (parameter) return put_text(to, "(intermediate value)(intermediate value)(intermediate value)");
    }
    Reader reader = { source, callee->end, 1 };
    return source && (read_expression(&reader, to) != UNNAMED || (*to = 0, put_text(to, INTERMEDIATE)));
}

/* The value as an object, for a pattern; the place is that of the first thing in its brackets. */
static JSValue take_apart(JSContext *ctx, JSValueConst value) {
    if (!JS_IsUndefined(value) && !JS_IsNull(value)) return JS_ToObject(ctx, value);
    char buffer[CALLEE_BYTES], property[CALLEE_BYTES] = "", source[CALLEE_BYTES] = "";
    const char *is = JS_IsNull(value) ? "null" : "undefined";
    Callee callee;
    const char *at = running_at(ctx, &callee, buffer);
    const char *open = at ? at : NULL;
    while (open && open > callee.start && *open != '{') open--;
    if (!open || *open != '{') return JS_ToObject(ctx, value);
    int has_default = 0, named = first_property(at, callee.end, property, &has_default);
    int known = pattern_source(ctx, &callee, open, value, source);
    if (named && (has_default || !known))
        return JS_ThrowTypeError(ctx, "Cannot read properties of %s (reading '%s')", is, property);
    if (!known) return JS_ToObject(ctx, value);
    if (!named) return JS_ThrowTypeError(ctx, "Cannot destructure '%s' as it is %s.", source, is);
    return JS_ThrowTypeError(ctx, "Cannot destructure property '%s' of '%s' as it is %s.", property, source, is);
}
