using System.Buffers;
using MessagePack;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>The MessagePack package, which others speak, reads what we write and writes what we read.</summary>
public sealed class OracleTests
{
    public static TheoryData<string> Names() => [.. Samples.All.Select(sample => sample.Name)];

    /// <summary>
    /// Each value is read by the package and written by it: so the values are what the package understands, and their
    /// forms the shortest. Only the binaries around the plans of many are longer, because their length comes last.
    /// </summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void The_package_copies_our_messages_byte_by_byte(string name)
    {
        var sample = Samples.Named(name);
        byte[] copy = Copy(sample.Body, Transcriber.Shortest);

        if (name == "submit_many")
            Assert.Equal(sample.Body, sample.Again(copy));
        else
            Assert.Equal(Convert.ToHexString(sample.Body), Convert.ToHexString(copy));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Numbers_and_lengths_are_read_in_every_form_that_holds_them(string name)
    {
        var sample = Samples.Named(name);

        for (int wider = 1; wider <= Transcriber.Widest; wider++)
        {
            byte[] copy = Copy(sample.Body, wider);
            Assert.Equal(Convert.ToHexString(sample.Body), Convert.ToHexString(sample.Again(copy)));
        }
    }

    private static byte[] Copy(byte[] body, int wider)
    {
        var reader = new MessagePackReader(body);
        var buffer = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(buffer);
        Transcriber.Copy(ref reader, ref writer, wider);
        writer.Flush();
        Assert.True(reader.End);
        return buffer.WrittenSpan.ToArray();
    }
}
