using System.Runtime.CompilerServices;
using Karya.Engine;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using EmailAction = Karya.Protocol.Messages.EmailAction;
using KafkaAction = Karya.Protocol.Messages.KafkaAction;
using SlackAction = Karya.Protocol.Messages.SlackAction;

namespace Karya.Node.Tests.Execution;

/// <summary>The tables of <c>docs/connectors.md</c> are what the node says.</summary>
public sealed class ConnectorDocumentTests
{
    private static readonly ActionRules Rules = new(Slack: true, Email: true, Kafka: true)
    {
        MailDomains = ["example.com"],
        Topics = ["orders", "audit-*"],
    };

    private static readonly (string What, ActionMessage Action)[] Submits =
    [
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

    private static WireFault FaultOf(ActionMessage action)
    {
        var writer = new FrameWriter();
        Frames.Far(1, action).Write(writer);
        var reader = new WireReader(writer.Written.Span);
        Assert.False(SubmissionReader.TryRead(ref reader, Rules, default, out _));
        return reader.Fault!;
    }

    private static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static string InRepository(string path, [CallerFilePath] string thisFile = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "..", "..", path));
}
