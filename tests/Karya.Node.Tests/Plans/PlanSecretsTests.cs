using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class PlanSecretsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-secrets").FullName;
    private readonly PlanSecrets _secrets;

    public PlanSecretsTests()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "in", "crm"));
        File.WriteAllText(Path.Combine(_folder, "in", "crm", "token"), "canary-of-a-file\n");
        File.WriteAllText(Path.Combine(_folder, "in", "empty"), "\n");
        File.WriteAllText(Path.Combine(_folder, "outside"), "canary-outside");
        File.CreateSymbolicLink(Path.Combine(_folder, "in", "link"), Path.Combine(_folder, "in", "crm", "token"));
        File.CreateSymbolicLink(Path.Combine(_folder, "in", "leak"), Path.Combine(_folder, "outside"));
        File.WriteAllText(Path.Combine(_folder, "in", "large"), new string('x', SecretFile.BytesMax + 1));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "in", "data"), "crm"); // As Kubernetes does.
        Directory.CreateSymbolicLink(Path.Combine(_folder, "in", "folder"), _folder);
        File.CreateSymbolicLink(Path.Combine(_folder, "in", "round"), "round");
        _secrets = new PlanSecrets(
            ["API_TOKEN", "PAY_*"], Path.Combine(_folder, "in"),
            name => name == "UNSET" || name == "PAY_UNSET" ? null : $"canary-of-{name}");
    }

    [Theory]
    [InlineData("Bearer ${env:API_TOKEN}", "Bearer canary-of-API_TOKEN")]
    [InlineData("${env:PAY_ONE}, ${env:PAY_TWO}", "canary-of-PAY_ONE, canary-of-PAY_TWO")]
    [InlineData("${file:crm/token}", "canary-of-a-file")]
    [InlineData("${file:link}", "canary-of-a-file")]
    [InlineData("${file:data/token}", "canary-of-a-file")]
    [InlineData("$${x} ${other:y} ${env:API_TOKEN", "$${x} ${other:y} ${env:API_TOKEN")]
    public void References_are_resolved_and_nothing_else_is(string text, string expected)
    {
        var used = new List<UsedSecret>();

        Assert.Equal(expected, _secrets.Resolve(text, used, out string? problem));

        Assert.Null(problem);
        Assert.Null(_secrets.ProblemWith(text));
        Assert.Equal(text, PlanSecrets.Redact(expected, used));
    }

    [Theory]
    [InlineData("${env:PATH}", "\"PATH\" is no variable that plans may refer to; secrets.environment does not")]
    [InlineData("${env:}", "\"\" is no variable that plans may refer to; secrets.environment does not")]
    [InlineData("${env:API_TOKEN_2}", "\"API_TOKEN_2\" is no variable that plans may refer to; secrets.environment")]
    [InlineData("${env:PAY_UNSET}", "the variable \"PAY_UNSET\" is not set on this node, or empty.")]
    [InlineData("${file:../outside}", "\"../outside\" is no file that plans may refer to, below secrets.folder.")]
    [InlineData("${file:crm/../../outside}", "\"crm/../../outside\" is no file that plans may refer to")]
    [InlineData("${file:/etc/passwd}", "\"/etc/passwd\" is no file that plans may refer to, below secrets.folder.")]
    [InlineData("${file:leak}", "\"leak\" is no file that plans may refer to, below secrets.folder.")]
    [InlineData("${file:folder/outside}", "\"folder/outside\" is no file that plans may refer to")]
    [InlineData("${file:round}", "\"round\" is no file that plans may refer to, below secrets.folder.")]
    [InlineData("${file:large}", "the file \"large\" below secrets.folder is larger than 64KiB; is it the right one?")]
    [InlineData("${file:}", "\"\" is no file that plans may refer to, below secrets.folder.")]
    [InlineData("${file:missing}", "the file \"missing\" below secrets.folder is not there, or may not be read.")]
    [InlineData("${file:crm}", "the file \"crm\" below secrets.folder is not there, or may not be read.")]
    [InlineData("${file:empty}", "the file \"empty\" below secrets.folder is empty.")]
    public void What_is_not_named_or_not_there_cannot_be_referred_to(string text, string expected)
    {
        Assert.StartsWith(expected, _secrets.ProblemWith(text), StringComparison.Ordinal);
        Assert.Equal("a", _secrets.Resolve("a" + text, [], out string? problem));
        Assert.StartsWith(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_can_be_referred_to_by_default()
    {
        Assert.False(PlanSecrets.None.IsOn);
        Assert.NotNull(PlanSecrets.None.ProblemWith("${env:PATH}"));
        Assert.NotNull(PlanSecrets.None.ProblemWith("${file:etc/passwd}"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
