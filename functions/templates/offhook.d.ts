// What functions find around them, for editors and `tsc --noEmit`; nothing of it runs. `offhook fn
// new` writes this file anew each time: put own types elsewhere.

/** Twilio's helpers, as far as they are here. */
declare var Twilio: Offhook.Helpers;
declare var Runtime: Offhook.Runtime;

declare namespace Offhook {
  /** `exports.handler`. What it returns is not used: it calls `callback`, once. */
  type Handler<Parameters = {}> =
    (context: Context, event: Event & Parameters, callback: Callback) => void | Promise<void>;

  /** An error, or an answer: a document, a `Twilio.Response`, a text, bytes, or an object as JSON. */
  type Callback = (error?: unknown, response?: unknown) => void;

  /** `[functions] env` of offhook.toml, and what every function finds. */
  interface Context {
    DOMAIN_NAME: string;
    PATH: string;
    ACCOUNT_SID?: string;
    AUTH_TOKEN?: string;
    /** This server's calls and recordings, as far as offhook.toml grants them. */
    getTwilioClient(): any;
    [name: string]: any;
  }

  /** The parameters of the request; those of calls are named. */
  interface Event {
    readonly request: {
      readonly method: string;
      readonly headers: { readonly [name: string]: string | string[] };
      readonly cookies: { readonly [name: string]: string };
    };
    CallSid?: string;
    AccountSid?: string;
    From?: string;
    To?: string;
    CallStatus?: string;
    Direction?: string;
    CallerName?: string;
    Digits?: string;
    SpeechResult?: string;
    DialCallSid?: string;
    DialCallStatus?: string;
    DialCallDuration?: string;
    RecordingSid?: string;
    RecordingUrl?: string;
    RecordingDuration?: string;
    [parameter: string]: any;
  }

  interface Helpers {
    (...credentials: unknown[]): any;
    readonly twiml: {
      readonly VoiceResponse: new () => TwiML.VoiceResponse;
      readonly MessagingResponse: new () => any;
      readonly FaxResponse: new () => any;
    };
    readonly Response: new (options?: {
      statusCode?: number; body?: unknown; headers?: { [name: string]: string | string[] };
    }) => Response;
    readonly jwt: { readonly AccessToken: any; readonly ClientCapability: any };
    validateRequest(token: string, signature: string, url: string, parameters: object): boolean;
    [helper: string]: any;
  }

  /** `Twilio.Response`. */
  interface Response {
    setStatusCode(status: number): this;
    setBody(body: unknown): this;
    setHeaders(headers: { [name: string]: string | string[] }): this;
    appendHeader(name: string, value: string | string[]): this;
    setCookie(name: string, value: string, attributes?: string[]): this;
    removeCookie(name: string): this;
  }

  interface Runtime {
    getFunctions(): { [name: string]: { path: string } };
    getAssets(): { [path: string]: { path: string; open(): string } };
    getSync(options?: { serviceName?: string }): any;
  }

  /** Values that outlive a run; wants `store` in the function's table of offhook.toml. */
  const store: {
    get(key: string): Promise<any>;
    entry(key: string): Promise<Entry | undefined>;
    set(key: string, value: unknown, options?: { ttl?: number; revision?: number }):
      Promise<{ revision: number }>;
    update<Value>(
      key: string,
      change: (value: any) => Value | Promise<Value>,
      options?: { ttl?: number },
    ): Promise<Value>;
    delete(key: string): Promise<boolean>;
    clear(prefix: string): Promise<number>;
    list(prefix?: string, options?: { after?: string; limit?: number }): Promise<Entry[]>;
  };

  interface Entry { key: string; value: any; revision: number }
}

/** What builders take. Where other elements are wanted, `addChild` makes them. */
declare namespace TwiML {
  interface Element {
    addText(text: string): void;
    addChild(name: string, attributes?: object): Element;
    toString(): string;
  }
  interface Document extends Element {
    comment(text: string): this;
    commentBefore(text: string): this;
    commentAfter(text: string): this;
  }
  /** Attributes that are not known here are written all the same, where they are quoted. */
  interface Attributes {}
  interface SsmlAttributes { [attribute: string]: string | number }
  interface Ssml extends Element {
    [element: string]: any;
  }
  interface Parameter extends Element {}
  interface ParameterAttributes { name?: string; value?: string }
  interface Client {
    identity(text: string): Element;
    parameter(attributes: ParameterAttributes): Element;
  }
}

