using Karya.Node.Workers;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Workers;

public sealed class ShareTests
{
    [Theory]
    [InlineData(10, new[] { 0 }, new[] { 10 })]
    [InlineData(10, new[] { 0, 0 }, new[] { 5, 5 })]
    [InlineData(0, new[] { 0, 0 }, new[] { 0, 0 })]
    [InlineData(1, new[] { 0, 0, 0 }, new[] { 1, 1, 1 })] // Each has one: a node without any would never be asked.
    [InlineData(12, new[] { 6, 0 }, new[] { 11, 1 })] // The first has used all its six.
    [InlineData(12, new[] { 6, 6 }, new[] { 6, 6 })]
    [InlineData(12, new[] { 4, 0 }, new[] { 9, 3 })] // It wants six, the other one; the rest is shared.
    public void Places_are_divided_by_what_was_used(int places, int[] used, int[] expected)
    {
        Share[] shares = [.. used.Select((_, i) => new Share(new NodeEndpoint("host", i)))];
        Share.Divide(places, shares);
        foreach (var (share, count) in shares.Zip(used))
        {
            for (int i = 0; i < count; i++)
                share.Take();
        }

        Share.Divide(places, shares);
        Assert.Equal(expected, shares.Select(share => share.Places));
    }

    [Fact]
    public void What_was_used_for_a_moment_counts_once()
    {
        Share[] shares = [new(null), new(new NodeEndpoint("host", 1))];
        Share.Divide(10, shares);
        for (int i = 0; i < 5; i++)
            shares[0].Take();
        for (int i = 0; i < 5; i++)
            shares[0].GiveBack();

        Share.Divide(10, shares);
        Assert.Equal(9, shares[0].Places);
        Share.Divide(10, shares);
        Assert.Equal(5, shares[0].Places);
    }
}
