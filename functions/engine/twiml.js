// Twilio.twiml: a builder for each verb and noun of the helper library, with its output.
(function (global, host) {
  'use strict';
  const { isObject } = host.kit;

  // XML 1.0 section 2.2: what may not stand in a document even when escaped.
  const ILLEGAL =
    /[\0-\x08\x0B\f\x0E-\x1F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?:[^\uD800-\uDBFF]|^)[\uDC00-\uDFFF]/;
  const legal = (text) => {
    const found = ILLEGAL.exec(text);
    if (found) throw new Error('Invalid character in string: ' + text + ' at index ' + found.index);
    return text;
  };
  // XML 1.0 section 2.3, production 5.
  const START = ':A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F' +
    '\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}';
  const NAME = new RegExp(`^[${START}][${START}\\-.0-9\\xB7\\u0300-\\u036F\\u203F\\u2040]*$`, 'u');

  // The host's `xml` gives what is plain ASCII and legal; the rest is looked at here.
  const [CONTENT, ATTRIBUTE, ELEMENT] = [0, 1, 2];
  const { xml } = host;
  const escapeText = (text) => {
    const plain = xml(text, CONTENT);
    if (plain !== undefined) return plain;
    return legal(text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/\r/g, '&#xD;'));
  };
  const escapeAttribute = (text) => {
    const plain = xml(text, ATTRIBUTE);
    if (plain !== undefined) return plain;
    return legal(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
      .replace(/\t/g, '&#x9;').replace(/\n/g, '&#xA;').replace(/\r/g, '&#xD;');
  };
  const legalName = (name) => {
    if (xml(name, ELEMENT) === undefined && !NAME.test(legal(name))) throw new Error('Invalid character in name');
    return name;
  };

  class TwiML {
    #name;
    #attributes = '';
    #children = [];
    // Comments outside of the document's element.
    #before = '';
    #after = '';

    constructor(name, attributes, text) {
      this.#name = name;
      // As the helper library has it: a first argument that is not an object is the text.
      if (attributes !== undefined && attributes !== null && !isObject(attributes)) {
        [attributes, text] = [text, attributes];
      }
      for (const key in attributes) {
        let value = attributes[key];
        if (typeof value === 'function') value = value();
        if (value === undefined || value === null) continue;
        value = Array.isArray(value) ? value.join(' ') : String(value);
        this.#attributes += ' ' + legalName(key) + '="' + escapeAttribute(value) + '"';
      }
      if (typeof text === 'object' && text !== null) this._addMembers(text);
      if (text !== undefined && text !== null) this.addText(text);
    }
    // As the helper library has it: of an object in the place of a text, members become elements before it is written.
    _addMembers(value) {
      if (Array.isArray(value)) {
        for (const name of value) this.#children.push(new TwiML(legalName(String(name))));
        return;
      }
      for (const name in value) {
        for (const each of [value[name]].flat()) {
          if (each === undefined || each === null) continue;
          if (name === '#text') this.addText(each);
          else if (name[0] === '@') this.#attributes += ' ' + legalName(name.slice(1)) + '="' + escapeAttribute(String(each)) + '"';
          else {
            const child = new TwiML(legalName(name));
            this.#children.push(child);
            if (isObject(each)) child._addMembers(each); else child.addText(each);
          }
        }
      }
    }
    addText(text) {
      this.#children.push(escapeText(String(text)));
    }
    addChild(name, attributes) {
      return this._add(new TwiML(legalName(String(name)), attributes), attributes);
    }
    // As the helper library has it: null for all that an element could hold leaves it out.
    _add(child, attributes, text) {
      if (text !== null && (attributes !== null || text !== undefined)) this.#children.push(child);
      return child;
    }
    _comment(text, place) {
      text = String(text);
      if (text.includes('--')) {
        throw new Error('Comment text cannot contain double-hypen: ' + text);
      }
      text = '<!-- ' + legal(text) + ' -->';
      if (place === 'before') this.#before += text;
      else if (place === 'after') this.#after += text;
      else this.#children.push(text);
      return this;
    }
    toXml() {
      const children = this.#children;
      let inside = '';
      for (let i = 0; i < children.length; i++) {
        const child = children[i];
        inside += typeof child === 'string' ? child : child.toXml();
      }
      const start = '<' + this.#name + this.#attributes;
      return inside === '' ? start + '/>' : start + '>' + inside + '</' + this.#name + '>';
    }
    toString() {
      return '<?xml version="1.0" encoding="UTF-8"?>' + this.#before + this.toXml() + this.#after;
    }
  }

  // One line per element: its builders. `name` is the method; `:Tag` the element when it is not
  // the capitalised name; `*` means that it takes a text; `>Class` the class when not the element.
  const SSML = 'break:break>SsmlBreak emphasis:emphasis*>SsmlEmphasis lang:lang*>SsmlLang ' +
    'phoneme:phoneme*>SsmlPhoneme prosody:prosody*>SsmlProsody sayAs:say-as*>SsmlSayAs ' +
    'sub:sub*>SsmlSub ';
  const SENTENCE = SSML + 'w:w*>SsmlW ';
  const PARAGRAPH = SENTENCE + 's:s*>SsmlS ';
  const ANY_SSML = PARAGRAPH + 'p:p*>SsmlP';
  const PROMPTS = 'pause play* say*';
  const VOICE = {
    VoiceResponse: 'connect dial* echo enqueue* gather hangup leave pause pay play* prompt queue* ' +
      'record redirect* refer reject say* sms* start stop',
    Application: 'applicationSid* parameter',
    Client: 'identity* parameter',
    Connect: 'aiSession autopilot* conversation conversationRelay conversationRelaySession ' +
      'room* stream virtualAgent assistant*',
    ConversationRelay: 'language parameter',
    Dial: 'application* client* conference* number* queue* sim* sip* whatsApp*',
    Enqueue: 'task*',
    Gather: PROMPTS,
    Hangup: 'parameter',
    Headers: 'header',
    Pay: 'parameter prompt',
    Prompt: PROMPTS,
    Refer: 'sip*>ReferSip referSip:Sip*>ReferSip',
    Reject: 'parameter',
    Say: ANY_SSML,
    Sip: 'headers uri*>SipUri',
    Siprec: 'parameter',
    SsmlEmphasis: SENTENCE,
    SsmlLang: ANY_SSML,
    SsmlP: PARAGRAPH,
    SsmlProsody: ANY_SSML,
    SsmlS: SENTENCE,
    SsmlW: SSML,
    Start: 'recording siprec stream transcription',
    Stop: 'siprec stream transcription',
    Stream: 'parameter',
    Transcription: 'config parameter',
    VirtualAgent: 'config parameter',
  };
  const FAX = { FaxResponse: 'receive' };
  const MESSAGING = { MessagingResponse: 'message* redirect*', Message: 'body* media*' };

  const defineClasses = (rootName, spec) => {
    const classes = {};
    const classNamed = (name) => {
      if (classes[name]) return classes[name];
      const made = { [name]: class extends TwiML {} }[name];
      classes[name] = made;
      for (const entry of (spec[name] || '').split(' ')) if (entry) addBuilder(made, entry);
      return made;
    };
    const addBuilder = (owner, entry) => {
      const [, method, tag, text, className] = /^(\w+)(?::([\w-]+))?(\*)?(?:>(\w+))?$/.exec(entry);
      const element = tag || method[0].toUpperCase() + method.slice(1);
      const name = className || element;
      const build = function (attributes, content) {
        const Child = classNamed(name);
        if (!text) content = undefined;
        else if (typeof attributes === 'string') [attributes, content] = [{}, attributes];
        return this._add(new Child(element, attributes, content), attributes, content);
      };
      const define = (alias) =>
        Object.defineProperty(owner.prototype, alias, { value: build, writable: true, configurable: true });
      define(method);
      // Names from older releases of the helper library.
      if (name.startsWith('Ssml')) define(name[0].toLowerCase() + name.slice(1));
      if (method === 'break') define('break_');
    };
    const Root = { [rootName]: class extends TwiML {
      constructor() { super('Response'); }
      comment(text) { return this._comment(text); }
      commentBefore(text) { return this._comment(text, 'before'); }
      commentAfter(text) { return this._comment(text, 'after'); }
    } }[rootName];
    for (const entry of spec[rootName].split(' ')) addBuilder(Root, entry);
    for (const name in spec) if (name !== rootName) Root[name] = classNamed(name);
    return Root;
  };
  const twiml = {
    VoiceResponse: defineClasses('VoiceResponse', VOICE),
    MessagingResponse: defineClasses('MessagingResponse', MESSAGING),
    FaxResponse: defineClasses('FaxResponse', FAX),
  };

  host.kit.twilio.twiml = twiml;
  Object.assign(host.kit, { TwiML });
})(globalThis, globalThis.__host);
