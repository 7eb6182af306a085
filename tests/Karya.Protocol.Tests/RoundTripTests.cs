using CsCheck;
using Xunit;

namespace Karya.Protocol.Tests;

public sealed class RoundTripTests
{
    public static TheoryData<string> Kinds() => [.. RandomMessages.All.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Any_message_comes_back(string kind) =>
        RandomMessages.All[kind].Sample(
            message => message.Again(message.Body).AsSpan().SequenceEqual(message.Body), print: Print);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Any_message_that_is_cut_is_malformed(string kind) =>
        Gen.Select(RandomMessages.All[kind], Gen.Double.Unit).Sample(
            (message, part) => message.FaultOf(Cut(message.Body, part))?.Code == ErrorCode.Malformed,
            iter: 20);

    [Fact]
    public void There_are_random_messages_of_every_kind() =>
        Assert.Empty(Samples.All.Select(sample => sample.Type.Name).Except(RandomMessages.All.Keys));

    private static ReadOnlySpan<byte> Cut(byte[] body, double part) => body.AsSpan(0, (int)(body.Length * part));

    private static string Print(Sample message) => Convert.ToHexString(message.Body);
}
