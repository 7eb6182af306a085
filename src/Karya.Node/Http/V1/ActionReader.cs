using System.Text.Json;
using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Http.V1;

/// <summary>Reads actions and hooks out of a request. Mistakes are left with the <see cref="JsonFields"/>.</summary>
internal sealed class ActionReader
{
    /// <summary>Attempts have a limit of their own in the engine; the first one is no retry.</summary>
    public const int RetriesMax = Limits.AttemptsMax - 1;

    public const int RetriesDefault = 3;

    private const long TimeoutMsMax = 3_600_000;
    private const int HeadersMax = 100;
    private const int HeaderNameCharsMax = 256;
    private const int HeaderValueCharsMax = 8192;
    private const int UrlCharsMax = 8192;
    private const int LineCharsMax = 4096;

    private static readonly KeyValuePair<string, string>[] HeadersDefault = [new("content-type", "application/json")];

    /// <summary>Stands for what could not be read; a mistake goes with it, so nobody ever runs it.</summary>
    private static readonly PlanAction Nothing = new SlackAction("", "");

    /// <summary>These decide where a message ends; two opinions about that are a security hole.</summary>
    private static readonly string[] FramingHeaders =
        ["content-length", "transfer-encoding", "te", "trailer", "upgrade"];

    private readonly JsonFields _fields;
    private readonly PlanReader _plans;

    /// <param name="plans">Reads the plan inside a chained action.</param>
    public ActionReader(JsonFields fields, PlanReader plans)
    {
        _fields = fields;
        _plans = plans;
    }

    public IReadOnlyList<PlanHook> ReadHooks(JsonElement plan)
    {
        if (!_fields.TryNested(plan, "hooks", JsonValueKind.Array, required: false, out var list))
            return [];

        int count = list.GetArrayLength();
        if (count > Limits.HooksPerPlanMax)
        {
            _fields.Refuse("hooks", $"has {count} entries; at most {Limits.HooksPerPlanMax} are accepted.");
            return [];
        }

        var hooks = new PlanHook[count];
        _fields.Enter("hooks");
        int index = 0;
        foreach (var item in list.EnumerateArray())
        {
            _fields.Enter($"[{index}]");
            hooks[index++] = ReadHook(item);
            _fields.Leave();
        }

        _fields.Leave();
        return hooks;
    }

    public PlanAction ReadAction(JsonElement parent)
    {
        if (!_fields.TryNested(parent, "action", JsonValueKind.Object, required: true, out var action))
            return Nothing;

        _fields.Enter("action");
        PlanAction read = WireNames.Actions[_fields.Choice(action, "type", WireNames.Actions)] switch
        {
            WireNames.SlackMessageRequest => new SlackAction(Line(action, "channel"), Message(action)),
            WireNames.EmailRequest => new EmailAction(
                Line(action, "recipient"), Line(action, "subject"), Message(action)),
            WireNames.KafkaProducerRequest => new KafkaAction(
                Line(action, "topic"), _fields.TextOrNull(action, "key", LineCharsMax), Message(action)),
            WireNames.ChainedRequest => ReadChained(action),
            _ when _fields.Mistake is null => ReadRest(action),
            _ => Nothing,
        };
        _fields.Leave();
        return read;
    }

    private PlanHook ReadHook(JsonElement hook)
    {
        if (hook.ValueKind != JsonValueKind.Object)
        {
            _fields.Refuse("", "must be an object with trigger, action and max_retry.");
            return new PlanHook(HookTrigger.OnFailure, Nothing, 0);
        }

        var trigger = _fields.Choice(hook, "trigger", WireNames.Triggers) == 0
            ? HookTrigger.OnFailure
            : HookTrigger.OnCompletion;
        var action = ReadAction(hook);
        long retriesMax = _fields.Integer(hook, "max_retry", int.MinValue, RetriesMax, RetriesDefault);
        return new PlanHook(trigger, action, (int)retriesMax);
    }

    private PlanAction ReadChained(JsonElement action)
    {
        if (!_fields.TryNested(action, "request", JsonValueKind.Object, required: true, out var request))
            return Nothing;

        _fields.Enter("request");
        var plan = _plans.ReadDraft(request);
        _fields.Leave();
        return new ChainedAction(plan);
    }

    private RestAction ReadRest(JsonElement action)
    {
        bool https = _fields.Choice(action, "protocol", WireNames.Protocols, absent: 0) == 1;
        string baseUrl = ReadBaseUrl(action);
        string method = WireNames.Methods[_fields.Choice(action, "method", WireNames.Methods, absent: 0)];
        var headers = ReadHeaders(action);
        string? body = ReadBody(action);
        long timeoutMs = _fields.Integer(action, "timeout", long.MinValue, TimeoutMsMax, RestAction.TimeoutMsDefault);

        // The UI sends 0 for a field that was left blank.
        return new RestAction(
            https, baseUrl, method, headers, body, timeoutMs > 0 ? timeoutMs : RestAction.TimeoutMsDefault);
    }

    private string ReadBaseUrl(JsonElement action)
    {
        string text = _fields.Text(action, "base_url", UrlCharsMax, TextRule.OneLine);
        int scheme = text.IndexOf("://", StringComparison.Ordinal);
        bool hasScheme = scheme > 0 && text.AsSpan(0, scheme).IndexOfAnyExceptInRange('A', 'z') < 0;
        if (hasScheme && text[..scheme].ToUpperInvariant() is not ("HTTP" or "HTTPS"))
        {
            _fields.Refuse("base_url", $"is {Quoted.Shorten(text)}; the scheme must be http or https, or be left out.");
            return text;
        }

        // References to secrets are resolved when the call is made; what they stand for cannot be judged here.
        string rest = hasScheme ? text[(scheme + 3)..] : text;
        bool isUrl = rest.Contains("${", StringComparison.Ordinal)
            || (Uri.TryCreate("http://" + rest, UriKind.Absolute, out var url) && url.Host.Length > 0);
        if (!isUrl)
            _fields.Refuse("base_url", $"is {Quoted.Shorten(text)}; it must be host:port/path?query without a scheme.");

        return text;
    }

    private IReadOnlyList<KeyValuePair<string, string>> ReadHeaders(JsonElement action)
    {
        if (!_fields.TryNested(action, "headers", JsonValueKind.Object, required: false, out var map))
            return HeadersDefault;

        var headers = new List<KeyValuePair<string, string>>();
        _fields.Enter("headers");
        foreach (var (name, value) in _fields.Entries(map))
        {
            string text = _fields.ReadText(value, name, HeaderValueCharsMax, TextRule.OneLine);
            if (!CheckName(name) || _fields.Mistake is not null)
                break;

            // A repeated key keeps its place and takes the last value.
            int same = headers.FindIndex(header => header.Key == name);
            if (same >= 0)
                headers[same] = new(name, text);
            else
                headers.Add(new(name, text));

            if (headers.Count > HeadersMax)
            {
                _fields.Refuse(name, $"is one too many: at most {HeadersMax} headers are accepted.");
                break;
            }
        }

        _fields.Leave();
        return headers;
    }

    private bool CheckName(string name)
    {
        if (!TextRules.IsToken(name) || name.Length > HeaderNameCharsMax)
        {
            _fields.RefuseAll(
                $"{Quoted.Shorten(name)} in headers is no header name: letters, digits and !#$%&'*+-.^_`|~ are "
                + $"accepted, 1 to {HeaderNameCharsMax} of them.");
        }
        else if (FramingHeaders.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            _fields.Refuse(name, "cannot be set: it is decided by how the request is sent.");
        }

        return _fields.Mistake is null;
    }

    private string? ReadBody(JsonElement action)
    {
        if (!_fields.TryNested(action, "body", JsonValueKind.Object, required: false, out var body))
            return null;

        _fields.Enter("body");
        string? text = _fields.Choice(body, "type", WireNames.Bodies) == 0
            ? _fields.Text(body, "json_string", int.MaxValue)
            : null;
        _fields.Leave();
        return text;
    }

    private string Line(JsonElement action, string name) => _fields.Text(action, name, LineCharsMax, TextRule.OneLine);

    private string Message(JsonElement action) => _fields.Text(action, "message", int.MaxValue);
}
