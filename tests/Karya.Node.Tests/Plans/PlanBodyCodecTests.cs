using System.Text;
using CsCheck;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class PlanBodyCodecTests
{
    private static readonly UserId Mira = UserId.From(Guid.Parse("5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10"));

    private static readonly PlanBody Everything = new(
        "nightly \"ping\" <ü€𝄞>",
        "PT30S",
        new RestAction(
            true, "h/x?a=1&b='2'", "POST", [new("x-key", "v"), new("x-key", "w")], "{\"n\":1}", 1500),
        [
            new PlanHook(HookTrigger.OnFailure, new SlackAction("C1", "[]"), 3),
            new PlanHook(HookTrigger.OnFailure, new EmailAction("a@b.c", "s", "line\nline"), -1),
            new PlanHook(HookTrigger.OnCompletion, new KafkaAction("t", "", "m"), 0),
            new PlanHook(HookTrigger.OnCompletion, new ChainedAction(new PlanDraft(
                Mira,
                new PlanBody("child", "PT5S", new KafkaAction("t", null, "m"), []),
                PeriodMs: 5000,
                Recurring: true,
                EndAtMs: 1795403600000,
                RetriesMax: 1)), 3),
        ]);

    [Fact]
    public void The_stored_form_stays_as_it_is()
    {
        string expected = """
            {"v":1,"description":"nightly \"ping\" <ü€\uD834\uDD1E>","period":"PT30S",
            "action":{"kind":"rest","https":true,"url":"h/x?a=1&b='2'","method":"POST",
            "headers":[["x-key","v"],["x-key","w"]],"body":"{\"n\":1}","timeout_ms":1500},
            "hooks":[{"on":"failure","action":{"kind":"slack","channel":"C1","message":"[]"}},
            {"on":"failure","retries":-1,
            "action":{"kind":"email","recipient":"a@b.c","subject":"s","message":"line\nline"}},
            {"on":"completion","retries":0,"action":{"kind":"kafka","topic":"t","key":"","message":"m"}},
            {"on":"completion","action":{"kind":"chained","plan":{"user":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
            "period_ms":5000,"recurring":true,"end_at":1795403600000,"retries":1,"description":"child","period":"PT5S",
            "action":{"kind":"kafka","topic":"t","message":"m"}}}}]}
            """.Replace("\n", "", StringComparison.Ordinal);
        Assert.Equal(expected, Encoding.UTF8.GetString(Write(Everything)));
    }

    [Fact]
    public void What_has_its_default_is_left_out() => Assert.Equal(
        """{"v":1,"description":"","period":"pt1h","action":{"kind":"rest","url":"h/x"}}""",
        Encoding.UTF8.GetString(Write(PlainGet([new("content-type", "application/json")]))));

    [Fact]
    public void A_plan_without_headers_stays_without_headers() => Assert.Equal(
        """{"v":1,"description":"","period":"pt1h","action":{"kind":"rest","url":"h/x","headers":[]}}""",
        Encoding.UTF8.GetString(Write(PlainGet([]))));

    private static PlanBody PlainGet(KeyValuePair<string, string>[] headers) =>
        new("", "pt1h", new RestAction(false, "h/x", "GET", headers, null, 2000), []);

    [Fact]
    public void Everything_comes_back() => Assert.Equivalent(Everything, Read(Write(Everything)), strict: true);

    [Fact]
    public void Any_body_comes_back() => Bodies.Sample(body =>
    {
        byte[] bytes = Write(body);
        var read = Read(bytes);
        Assert.Equal(Describe(body), Describe(read));
        Assert.Equal(bytes, Write(read));
    });

    [Fact]
    public void Any_single_action_comes_back() => Bodies.Sample(body =>
    {
        byte[] bytes = Write(body);
        Assert.Equal(Describe(body.Action), Describe(PlanBodyCodec.ReadAction(bytes, 0)));
        for (int i = 0; i < body.Hooks.Count; i++)
            Assert.Equal(Describe(body.Hooks[i].Action), Describe(PlanBodyCodec.ReadAction(bytes, i + 1)));
    });

    [Fact]
    public void A_lone_surrogate_is_stored_as_a_replacement_character()
    {
        var body = new PlanBody("a\uD834b", "PT1S", new SlackAction("\uDD1E", "[]"), []);
        var read = Read(Write(body));
        Assert.Equal("a\uFFFDb", read.Description);
        Assert.Equal("\uFFFD", ((SlackAction)read.Action).Channel);
    }

    [Fact]
    public void Deeply_nested_plans_come_back()
    {
        var action = (PlanAction)new SlackAction("c", "[]");
        for (int depth = 0; depth < 50; depth++)
            action = new ChainedAction(new PlanDraft(Mira, new PlanBody("", "PT1S", action, []), 1000, false, null, 3));

        var body = new PlanBody("", "PT1S", action, []);
        Assert.Equal(Write(body), Write(Read(Write(body))));
    }

    [Fact]
    public void A_body_cut_anywhere_is_damaged()
    {
        byte[] bytes = Write(Everything);
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<PlanBodyDamagedException>(() => Read(bytes.AsSpan(0, length).ToArray()));
    }

    [Fact]
    public void A_body_with_any_byte_changed_is_read_or_damaged_and_nothing_else()
    {
        byte[] bytes = Write(Everything);
        for (int i = 0; i < bytes.Length; i++)
        {
            foreach (byte other in new byte[] { 0, (byte)'"', (byte)'}', (byte)'9', 0xFF })
            {
                byte[] changed = [.. bytes];
                changed[i] = other;
                ReadOrDamaged(() => Read(changed));
                for (int hook = 0; hook <= 5; hook++)
                    ReadOrDamaged(() => PlanBodyCodec.ReadAction(changed, hook));
            }
        }
    }

    [Theory]
    [InlineData("", "depth")]
    [InlineData("[]", "version")]
    [InlineData("""{"description":"d"}""", "version")]
    [InlineData("""{"v":2,"description":"d"}""", "version 2")]
    [InlineData("""{"v":1,"description":"d","action":{"kind":"rest","url":"h"}}""", "'period'")]
    [InlineData("""{"v":1,"description":"d","period":"p"}""", "'action'")]
    [InlineData("""{"v":1,"description":null,"period":"p","action":{"kind":"rest","url":"h"}}""", "null")]
    [InlineData("""{"v":1,"description":"d","period":"p","action":{"url":"h","kind":"rest"}}""", "'kind'")]
    [InlineData("""{"v":1,"description":"d","period":"p","action":{"kind":"fax"}}""", "'fax'")]
    [InlineData("""{"v":1,"description":"d","period":"p","action":{"kind":"rest","url":"h"}}{}""", "invalid after")]
    [InlineData("""{"v":1,"description":"d","period":"p","action":{"kind":"rest","url":"h"},"hooks":[1]}""", "Number")]
    public void What_is_wrong_with_a_damaged_body_is_said(string json, string expected)
    {
        var e = Assert.Throws<PlanBodyDamagedException>(() => Read(Encoding.UTF8.GetBytes(json)));
        Assert.StartsWith("The stored plan is damaged. ", e.Message, StringComparison.Ordinal);
        if (json.Length > 0)
            Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hook_that_is_not_there_is_said_to_be_missing()
    {
        byte[] bytes = Write(Everything);
        var e = Assert.Throws<PlanBodyDamagedException>(() => PlanBodyCodec.ReadAction(bytes, 5));
        Assert.Contains("no hook number 5", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_keys_are_skipped()
    {
        const string Json = """
            {"v":1,"new":[{"kind":1}],"description":"d","period":"p","action":{"kind":"rest","new":{},"url":"h"},
            "hooks":[{"new":1,"on":"failure","action":{"kind":"slack","channel":"c","new":null,"message":"m"}}]}
            """;
        byte[] bytes = Encoding.UTF8.GetBytes(Json);
        Assert.Equal("c", ((SlackAction)Read(bytes).Hooks[0].Action).Channel);
        Assert.Equal(new SlackAction("c", "m"), PlanBodyCodec.ReadAction(bytes, 1));
    }

    private static readonly Gen<string> Texts = Gen.OneOf<string>(
        Gen.Const(""),
        Gen.String[Gen.Char.AlphaNumeric, 0, 20],
        Gen.String[Gen.OneOf('"', '\\', '\n', '\0', '<', '\'', 'ü', '€', '\u2028', '\uFFFF'), 0, 10],
        Gen.Const("𝄞\U0010FFFF"));

    private static readonly Gen<PlanAction> Rests = Gen.Select(
        Gen.Bool,
        Texts,
        Gen.OneOf("GET", "POST", "PATCH", "PUT", "DELETE"),
        Gen.Select(Texts, Texts, KeyValuePair.Create).List[0, 3],
        Gen.OneOf<string?>(Gen.Const((string?)null), Texts.Select(text => (string?)text)),
        Gen.OneOf<long>(Gen.Const(2000L), Gen.Long),
        (https, url, method, headers, body, timeoutMs) =>
            (PlanAction)new RestAction(https, url, method, headers, body, timeoutMs));

    private static readonly Gen<PlanAction> Leaves = Gen.OneOf<PlanAction>(
        Rests,
        Gen.Select(Texts, Texts, (channel, message) => (PlanAction)new SlackAction(channel, message)),
        Gen.Select(Texts, Texts, Texts, (to, subject, text) => (PlanAction)new EmailAction(to, subject, text)),
        Gen.Select(Texts, Gen.OneOf<string?>(Gen.Const((string?)null), Texts.Select(text => (string?)text)), Texts,
            (topic, key, message) => (PlanAction)new KafkaAction(topic, key, message)));

    private static readonly Gen<PlanBody> Bodies = BodiesOf(depth: 3);

    private static Gen<PlanBody> BodiesOf(int depth)
    {
        var actions = depth == 0 ? Leaves : Gen.Frequency<PlanAction>((3, Leaves), (1, Chained(depth - 1)));
        var hooks = Gen.Select(
            Gen.OneOf(HookTrigger.OnFailure, HookTrigger.OnCompletion),
            actions,
            Gen.OneOf<int>(Gen.Const(3), Gen.Int),
            (trigger, action, retriesMax) => new PlanHook(trigger, action, retriesMax));
        return Gen.Select(Texts, Texts, actions, hooks.List[0, 3], (description, period, action, list) =>
            new PlanBody(description, period, action, list));
    }

    private static Gen<PlanAction> Chained(int depth) => Gen.Select(
        Gen.Guid,
        BodiesOf(depth),
        Gen.Long,
        Gen.Bool,
        Gen.OneOf<long?>(Gen.Const((long?)null), Gen.Long.Select(ms => (long?)ms)),
        Gen.OneOf<int>(Gen.Const(3), Gen.Int),
        (user, body, periodMs, recurring, endAtMs, retriesMax) => (PlanAction)new ChainedAction(
            new PlanDraft(UserId.From(user), body, periodMs, recurring, endAtMs, retriesMax)));

    /// <summary>Every field of it as text: records compare their lists by reference.</summary>
    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        RestAction rest => $"{rest with { Headers = [] }} headers {Describe(rest.Headers)}",
        ChainedAction chained => $"chained {Describe(chained.Plan)}",
        PlanDraft draft => string.Join(
            ' ',
            draft.User,
            draft.PeriodMs,
            draft.Recurring,
            Describe(draft.EndAtMs),
            draft.RetriesMax,
            Describe(draft.Body)),
        PlanBody body => string.Join(
            ' ', Describe(body.Description), Describe(body.PeriodText), Describe(body.Action), Describe(body.Hooks)),
        PlanHook hook => $"{hook.Trigger} {hook.RetriesMax} {Describe(hook.Action)}",
        IEnumerable<PlanHook> hooks => $"[{string.Join(", ", hooks.Select(Describe))}]",
        IEnumerable<KeyValuePair<string, string>> headers => $"[{string.Join(", ", headers)}]",
        KafkaAction kafka => $"{kafka} key {Describe(kafka.Key)}",
        _ => value.ToString()!,
    };

    private static void ReadOrDamaged(Action read)
    {
        var e = Record.Exception(read);
        Assert.True(e is null or PlanBodyDamagedException, e?.ToString());
    }

    private static byte[] Write(PlanBody body)
    {
        var writer = new ByteWriter();
        PlanBodyCodec.Write(body, writer);
        return writer.WrittenSpan.ToArray();
    }

    private static PlanBody Read(byte[] bytes) => PlanBodyCodec.Read(bytes);
}
