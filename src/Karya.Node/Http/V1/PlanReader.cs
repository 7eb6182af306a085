using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Karya.Engine;
using Karya.Engine.Scheduling;
using Karya.Node.Plans;

namespace Karya.Node.Http.V1;

/// <summary>Reads whole requests of <c>/v1</c>. Answers with the first mistake instead of an exception.</summary>
/// <remarks>One per request.</remarks>
internal sealed class PlanReader
{
    /// <summary>A century of 365.25-day years: whatever is longer is a mistake in a unit.</summary>
    public const long PeriodMsMax = 3_155_760_000_000;

    private const int NameCharsMax = 4096;

    /// <summary>Digits may repeat zeros at will, but not without end.</summary>
    private const int PeriodCharsMax = 128;

    private readonly JsonFields _fields = new();
    private readonly ActionReader _actions;

    public PlanReader()
    {
        _actions = new ActionReader(_fields, this);
    }

    /// <summary>Why the request cannot be used; null when it can.</summary>
    public string? Mistake => _fields.Mistake;

    public string ReadUserName(JsonElement root) =>
        IsObject(root) ? _fields.Text(root, "name", NameCharsMax, TextRule.NoNul) : "";

    public bool TryReadSubmit(JsonElement root, [NotNullWhen(true)] out PlanDraft? draft)
    {
        draft = IsObject(root) ? ReadDraft(root) : null;
        return Mistake is null && draft is not null;
    }

    /// <param name="idText">The plan's id from the path; null when only the body has it.</param>
    public bool TryReadUpdate(
        JsonElement root, string? idText, out PlanId id, [NotNullWhen(true)] out PlanChange? change)
    {
        id = PlanId.None;
        change = null;
        if (!IsObject(root))
            return false;

        if (idText is null || _fields.IsGiven(root, "plan_id", out _))
            id = PlanId.From(_fields.Uuid(root, "plan_id"));

        if (idText is not null && Uuids.TryParse(idText, out var guid))
        {
            if (id != PlanId.None && id.ToGuid() != guid)
                _fields.Refuse("plan_id", $"is {id}, but the path names {guid}; leave it out or write the same.");

            id = PlanId.From(guid);
        }

        string? periodText = _fields.TextOrNull(root, "period_time", PeriodCharsMax);
        long? periodMs = periodText is null ? null : ParsePeriod(periodText);
        long? retriesMax = _fields.IntegerOrNull(root, "max_failure_retry", int.MinValue, ActionReader.RetriesMax);
        var hooks = _fields.IsGiven(root, "hooks", out _) ? _actions.ReadHooks(root) : null;
        change = new PlanChange(periodText, periodMs, (int?)retriesMax, hooks);
        return Mistake is null;
    }

    /// <summary>Reads a plan that is submitted, or started by an action of one.</summary>
    public PlanDraft ReadDraft(JsonElement plan)
    {
        var user = UserId.From(_fields.Uuid(plan, "user_id"));
        string description = _fields.Text(plan, "description", PlanBody.DescriptionCharsMax, TextRule.NoNul);
        string periodText = _fields.Text(plan, "period_time", PeriodCharsMax);
        long periodMs = ParsePeriod(periodText);
        (bool recurring, long? endAtMs) = ReadType(plan);
        var action = _actions.ReadAction(plan);
        var hooks = _actions.ReadHooks(plan);
        long retriesMax = _fields.Integer(
            plan, "max_failure_retry", int.MinValue, ActionReader.RetriesMax, ActionReader.RetriesDefault);

        var body = new PlanBody(description, periodText, action, hooks);
        return new PlanDraft(user, body, periodMs, recurring, endAtMs, (int)retriesMax);
    }

    private bool IsObject(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Object)
            return true;

        _fields.RefuseAll("The body must be a JSON object.");
        return false;
    }

    private (bool Recurring, long? EndAtMs) ReadType(JsonElement plan)
    {
        if (!_fields.TryNested(plan, "plan_type", JsonValueKind.Object, required: true, out var type))
            return (false, null);

        _fields.Enter("plan_type");
        bool recurring = _fields.Choice(type, "type", WireNames.PlanTypes) == 1;
        long? endAtMs = recurring ? _fields.IntegerOrNull(type, "end_at", long.MinValue, long.MaxValue) : null;
        _fields.Leave();
        return (recurring, endAtMs);
    }

    private long ParsePeriod(string text)
    {
        const string Name = "period_time";
        if (!IsoDuration.TryParse(text, out long ms, out string? error))
            _fields.Refuse(Name, $"{Quoted.Shorten(text)} {error}.");
        else if (ms < 1)
            _fields.Refuse(Name, $"is {Quoted.Shorten(text)}; it must be at least one millisecond (PT0.001S).");
        else if (ms > PeriodMsMax)
            _fields.Refuse(Name, $"is {Quoted.Shorten(text)}; it must be at most 100 years (P36525D).");

        return ms;
    }
}
