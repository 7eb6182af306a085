using System.Runtime.CompilerServices;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using EmailAction = Karya.Protocol.Messages.EmailAction;
using KafkaAction = Karya.Protocol.Messages.KafkaAction;
using RestAction = Karya.Protocol.Messages.RestAction;
using SlackAction = Karya.Protocol.Messages.SlackAction;

namespace Karya.Node.Tests.Execution;

/// <summary>The tables of <c>docs/connectors.md</c> are what the node says.</summary>
public sealed class ConnectorDocumentTests
{
    private static readonly ActionRules Rules = new(Slack: true, Email: true, Kafka: true)
    {
        MailDomains = ["example.com"],
        Topics = ["orders", "audit-*"],
        Secrets = new PlanSecrets(["PAYMENTS_*"], "/run/secrets/karya", _ => null),
    };

    private static readonly (string What, ActionMessage Action)[] Submits =
    [
        ("REST, no scheme", Call("api.example.com/x")),
        ("REST, another scheme", Call("ftp://api.example.com/x")),
        ("REST, a file", Call("file:///etc/passwd")),
        ("REST, port 0", Call("http://api.example.com:0/")),
        ("REST, port 65536", Call("http://api.example.com:65536/")),
        ("REST, the port of a mail server", Call("http://api.example.com:25/")),
        ("REST, the port of a cache", Call("http://api.example.com:6379/")),
        ("REST, a backslash in front of another host", Call("http://api.example.com\\@evil.example/")),
        ("REST, a line break in the URL", Call("http://api.example.com/\r\nHost: x")),
        ("REST, another method", Call("http://api.example.com/") with { Method = "TRACE" }),
        ("REST, a header name with a space", Call("http://api.example.com/", ("x y", "1"))),
        ("REST, a header value with a line break", Call("http://api.example.com/", ("x", "1\r\nHost: y"))),
        ("REST, a header that frames the message", Call("http://api.example.com/", ("Transfer-Encoding", "chunked"))),
        ("REST, a secret that is not allowed", Call("http://api.example.com/", ("x", "${env:PATH}"))),
        ("REST, a file outside of the secrets", Call("http://api.example.com/", ("x", "${file:../../etc/passwd}"))),
        ("REST, a time limit over an hour", Call("http://api.example.com/") with { TimeoutMs = 3_600_001 }),
        ("REST, a retry after 200", Call("http://api.example.com/") with { RetryOn = [200] }),
        ("Slack, a message that is no JSON", new SlackAction("C1", "hello")),
        ("Slack, a message that is no array", new SlackAction("C1", """{"type":"divider"}""")),
        ("Slack, a block without a type", new SlackAction("C1", """[{"type":"divider"},{}]""")),
        ("Slack, 50 blocks", new SlackAction(
            "C1", $"[{string.Join(',', Enumerable.Repeat("""{"type":"divider"}""", 50))}]")),
        ("Slack, no channel", new SlackAction("", "[]")),
        ("Slack, a channel with a space", new SlackAction("my channel", "[]")),
        ("e-mail, a recipient with a line break", new EmailAction("a@example.com\r\nRCPT TO:<x@y>", "s", "m")),
        ("e-mail, a recipient without a host", new EmailAction("ann", "s", "m")),
        ("e-mail, no recipient", new EmailAction("", "s", "m")),
        ("e-mail, 101 recipients", new EmailAction(
            string.Join(',', Enumerable.Repeat("a@example.com", 101)), "s", "m")),
        ("e-mail, a group", new EmailAction("all: a@example.com;", "s", "m")),
        ("e-mail, a domain that is not listed", new EmailAction("a@elsewhere.test", "s", "m")),
        ("e-mail, a subject with a line break", new EmailAction("a@example.com", "s\nBcc: x@y", "m")),
        ("Kafka, a topic that is not listed", new KafkaAction("invoices", null, "m")),
        ("Kafka, a topic with a slash", new KafkaAction("../orders", null, "m")),
        ("Kafka, no topic", new KafkaAction("", null, "m")),
        ("Kafka, a topic of Kafka's own", new KafkaAction("__consumer_offsets", null, "m")),
    ];

    private static readonly string[] Hosts =
    [
        "127.0.0.1", "[::1]", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd12::1]",
        "[fe80::1]", "169.254.0.1", "169.254.169.254", "metadata.google.internal", "224.0.0.1", "255.255.255.255",
        "198.18.0.1",
        "[::ffff:10.1.2.3]", "[64:ff9b::a01:203]", "[2002:a01:203::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    ];

    private static readonly string Documentation = File.ReadAllText(InRepository("docs/connectors.md"));

    private static readonly (string What, string Answer)[] Answers =
    [
        ("200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("200, and the body breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok"),
        ("302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
        ("404", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"),
        ("429 with a pause", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        ("503", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"),
        ("500, and the body breaks off", "HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\noops"),
        ("500 with escape sequences", "HTTP/1.1 500 No\r\nContent-Length: 8\r\n\r\n\u001b[31mred"),
        ("500 with a body of 100 kB", "HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n" + new string('x', 100_000)),
        ("nothing, and the end", ""),
        ("what is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n"),
        ("headers of 100 kB", "HTTP/1.1 200 OK\r\nx: " + new string('x', 100_000) + "\r\n\r\n"),
        ("a thousand 1xx, and the end", string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early\r\n\r\n", 1000))),
        ("two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    ];

    [Fact]
    public async Task What_targets_answer_is_documented()
    {
        var rows = new List<string>();
        foreach (var (what, answer) in Answers)
        {
            await using var target = new RawTarget(answer);
            using var connector = new RestConnector(
                new RestOptions(ResponseBytesMax: 1000), new EgressGate(Egress.Rules.Local), TimeProvider.System);
            var action = new Karya.Node.Plans.RestAction(false, target.Authority + "/x", "POST", [], "{}", 10_000)
            {
                RetriesAnyStatus = false,
            };
            var outcome = await connector.RunAsync(
                SampleAttempt.Number(1), action, TestContext.Current.CancellationToken);
            string text = outcome.Error is null
                ? ""
                : ErrorText.Fit(outcome.Error).Replace(target.Authority, "HOST", StringComparison.Ordinal);
            string failure = outcome.IsSuccess ? "success" : $"`{FailureNames.Of(outcome.Failure)}`";
            string again = (outcome.IsSuccess, outcome.Retryable, outcome.RetryAfterMs) switch
            {
                (true, _, _) => "",
                (_, false, _) => "no",
                (_, _, 0) => "yes",
                (_, _, var ms) => $"after {ms / 1000} s",
            };
            rows.Add($"| {what} | {failure} | {again} | {Cell(Shorten(text))} |");
        }

        AssertDocumented("answers of targets", "| Answer | Is | Again | Text |\n| --- | --- | --- | --- |\n", rows);
    }

    [Fact]
    public void Every_class_of_failure_is_there_in_order()
    {
        Assert.Equal(Enum.GetValues<FailureClass>().Select(FailureNames.Of), FailureNames.All);
        Assert.All(Enum.GetValues<FailureClass>(), one => Assert.Equal(one, FailureNames.Find(FailureNames.Of(one))));
        string section = Documentation[Documentation.IndexOf("## Failures", StringComparison.Ordinal)..];
        string[] rows = section[..section.IndexOf("## What is refused", StringComparison.Ordinal)].Split('\n');
        Assert.Equal(
            FailureNames.All.Select(name => $"| `{name}`"),
            rows.Where(row => row.StartsWith("| `", StringComparison.Ordinal))
                .Select(row => row[..(row.IndexOf("` |", StringComparison.Ordinal) + 1)]));
    }

    [Fact]
    public void What_is_refused_at_submit_is_documented() => AssertDocumented(
        "refused at submit", "| Input | Code | Text |\n| --- | --- | --- |\n",
        Submits.Select(row => (row.What, Fault: FaultOf(row.Action)))
            .Select(row => $"| {row.What} | `{ErrorNames.Of(row.Fault.Code)}` | {Cell(row.Fault.Message)} |"));

    [Fact]
    public async Task What_the_gate_refuses_is_documented()
    {
        var gate = new EgressGate(new EgressRules([], AllowsLoopback: false));
        var rows = new List<string>();
        foreach (string host in Hosts)
        {
            var denied = await Assert.ThrowsAsync<EgressDeniedException>(
                async () => await gate.CheckAsync(host, 80, TestContext.Current.CancellationToken));
            rows.Add($"| `{host}` | {Cell(denied.Message)} |");
        }

        AssertDocumented("refused by the gate", "| Host | Text |\n| --- | --- |\n", rows);
    }

    private static void AssertDocumented(string name, string head, IEnumerable<string> rows)
    {
        string table = $"<!-- {name} -->\n{head}{string.Join('\n', rows)}\n";
        Assert.True(
            Documentation.Contains(table, StringComparison.Ordinal), $"docs/connectors.md should have:\n{table}");
    }

    private static string Shorten(string text)
    {
        int start = text.IndexOf("xxxxx", StringComparison.Ordinal);
        int end = text.LastIndexOf("xxxxx", StringComparison.Ordinal) + 5;
        return start < 0 ? text : $"{text[..start]}xxx...{text[end..]}";
    }

    private static RestAction Call(string url, params (string Name, string Value)[] headers) => new(
        "GET", url, [.. headers.Select(header => KeyValuePair.Create(header.Name, header.Value))], null, 0);

    private static WireFault FaultOf(ActionMessage action)
    {
        var writer = new FrameWriter();
        Frames.Far(1, action).Write(writer);
        var reader = new WireReader(writer.Written.Span);
        Assert.False(SubmissionReader.TryRead(ref reader, Rules, default, out _), $"Not refused: {action}");
        return reader.Fault!;
    }

    private static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static string InRepository(string path, [CallerFilePath] string thisFile = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "..", "..", path));
}
