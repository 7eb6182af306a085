using System.Text;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>
/// The bytes of each kind of message. Whoever changes one of them breaks every client: a new slot or message gets a new
/// entry and a new version of the protocol.
/// </summary>
public sealed class GoldenTests
{
    private const int BytesPerLine = 32;

    private static readonly Dictionary<string, byte[]> Golden = Parse(
        RepositoryFile.ReadLines("tests/Karya.Protocol.Tests/golden.txt"));

    public static TheoryData<string> Names() => [.. Samples.All.Select(sample => sample.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_message_is_written_as_it_always_was(string name)
    {
        var sample = Samples.Named(name);

        Assert.True(Golden.ContainsKey(name), $"golden.txt lacks this entry:\n\n{Print(sample)}");
        Assert.Equal(Convert.ToHexString(Golden[name]), Convert.ToHexString(sample.Body));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_message_that_was_read_is_written_with_the_same_bytes(string name)
    {
        var sample = Samples.Named(name);

        Assert.Equal(Convert.ToHexString(Golden[name]), Convert.ToHexString(sample.Again(Golden[name])));
    }

    [Fact]
    public void No_bytes_are_kept_of_messages_that_are_gone() =>
        Assert.Empty(Golden.Keys.Except(Samples.All.Select(sample => sample.Name)));

    [Fact]
    public void Every_kind_of_message_has_golden_bytes() =>
        Assert.Empty(MessageTypes().Except(Samples.All.Select(sample => sample.Type)).Select(type => type.Name));

    [Fact]
    public void No_two_kinds_of_message_share_an_opcode()
    {
        var kinds = Samples.All.Select(sample => (sample.Type, sample.Opcode)).Distinct().ToList();

        Assert.Equal(kinds.Count, kinds.Select(kind => kind.Opcode).Distinct().Count());
    }

    [Fact]
    public void Every_opcode_has_a_message_and_every_request_a_reply()
    {
        var used = Samples.All.Select(sample => sample.Opcode).ToHashSet();

        foreach (var opcode in Enum.GetValues<Opcode>().Except([Opcode.None, Opcode.Reply]))
        {
            Assert.Contains(opcode, used);
            if (opcode is < Opcode.MapChanged or Opcode.Forward or Opcode.CatchUp)
                Assert.Contains(opcode | Opcode.Reply, used);
        }
    }

    private static IEnumerable<Type> MessageTypes() =>
        from type in typeof(Opcode).Assembly.GetTypes()
        from face in type.GetInterfaces()
        where face.IsGenericType && face.GetGenericTypeDefinition() == typeof(IMessage<>)
        select type;

    /// <summary>A name at the margin, and lines of indented hexadecimal digits below it.</summary>
    private static Dictionary<string, byte[]> Parse(string[] lines)
    {
        var digits = new Dictionary<string, StringBuilder>();
        string name = "";
        foreach (string line in lines.Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line[0] == ' ')
                digits[name].Append(line.AsSpan().Trim());
            else
                digits.Add(name = line, new StringBuilder());
        }

        return digits.ToDictionary(entry => entry.Key, entry => Convert.FromHexString(entry.Value.ToString()));
    }

    private static string Print(Sample sample) =>
        sample.Name + "\n" + string.Join(
            '\n', sample.Body.Chunk(BytesPerLine).Select(chunk => "  " + Convert.ToHexString(chunk))) + "\n";
}
