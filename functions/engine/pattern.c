/* What is wrong with a regular expression, as V8 says it. Included by callee.c. */

static const char *reworded_pattern(const char *pattern, const char *reason) {
    static const struct { const char *ours, *theirs; } words[] = {
        { "expecting ')'", "Unterminated group" },
        { "extraneous characters at the end", "Unmatched ')'" },
        { "nothing to repeat", "Nothing to repeat" },
        { "invalid class range", "Range out of order in character class" },
        { "invalid repetition count", "numbers out of order in {} quantifier" },
        { "invalid group name", "Invalid capture group name" },
        { "duplicate group name", "Duplicate capture group name" },
        { "group name not defined", "Invalid named capture referenced" },
        { "expecting group name", "Invalid named reference" },
        { "invalid group", "Invalid group" },
        { "invalid escape sequence in regular expression", "Invalid escape" },
        { "invalid decimal escape in regular expression", "Invalid escape" },
        { "back reference out of range in regular expression", "Invalid escape" },
        { "unknown unicode property name", "Invalid property name" },
        { "unknown unicode property value", "Invalid property name" },
        { "unknown unicode script", "Invalid property name" },
        { "unknown unicode general category", "Invalid property name" },
        { "expecting '{' after \\p", "Invalid property name" },
        { "syntax error", "Lone quantifier brackets" },
    };
    size_t length = strlen(pattern);
    if (!strcmp(reason, "unexpected end"))
        return length && pattern[length - 1] == '\\' ? "\\ at end of pattern" : "Unterminated character class";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(reason, words[i].ours)) return words[i].theirs;
    return reason;
}

static void throw_bad_pattern(JSContext *ctx, JSValueConst pattern, JSValueConst flags, const char *reason) {
    const char *text = JS_ToCString(ctx, pattern), *marks = JS_IsUndefined(flags) ? NULL : JS_ToCString(ctx, flags);
    if (text)
        JS_ThrowSyntaxError(ctx, "Invalid regular expression: /%s/%s: %s", text, marks ? marks : "", reworded_pattern(text, reason));
    JS_FreeCString(ctx, text);
    JS_FreeCString(ctx, marks);
}

static JSValue throw_bad_flags(JSContext *ctx, JSValueConst flags) {
    const char *marks = JS_ToCString(ctx, flags);
    if (marks) JS_ThrowSyntaxError(ctx, "Invalid flags supplied to RegExp constructor '%s'", marks);
    JS_FreeCString(ctx, marks);
    return JS_EXCEPTION;
}
