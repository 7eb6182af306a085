using Karya.Node.Cluster;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class LeaseTrustTests
{
    private const long Length = 1000;

    private readonly LeaseTrust _trust = new(Length);

    [Theory]
    [InlineData(0)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void Nothing_is_trusted_before_the_first_renewal(long now) => Assert.False(_trust.IsTrusted(now));

    [Fact]
    public void It_is_trusted_for_its_length_less_a_tenth_counted_from_before_the_renewal_was_sent()
    {
        _trust.Renew(sent: 5000);
        Assert.True(_trust.IsTrusted(5000));
        Assert.True(_trust.IsTrusted(5899));
        Assert.False(_trust.IsTrusted(5900));
    }

    [Fact]
    public void A_renewal_that_was_answered_too_late_is_worth_nothing()
    {
        _trust.Renew(sent: 5000);

        Assert.False(_trust.IsTrusted(5000 + Length));
    }

    [Fact]
    public void The_answer_to_an_earlier_renewal_takes_nothing_back()
    {
        _trust.Renew(sent: 5000);
        _trust.Renew(sent: 4000);

        Assert.True(_trust.IsTrusted(5899));
    }

    [Fact]
    public void A_later_renewal_counts_from_its_own_start()
    {
        _trust.Renew(sent: 5000);
        _trust.Renew(sent: 5200);
        Assert.True(_trust.IsTrusted(6099));
        Assert.False(_trust.IsTrusted(6100));
    }

    [Fact]
    public void The_end_is_at_once()
    {
        _trust.Renew(sent: 5000);
        _trust.End();

        Assert.False(_trust.IsTrusted(5000));
    }

    [Fact]
    public void A_claim_after_the_end_counts_again()
    {
        _trust.Renew(sent: 5000);
        _trust.End();
        _trust.Renew(sent: 5100);

        Assert.True(_trust.IsTrusted(5100));
    }
}
