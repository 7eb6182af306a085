using Xunit;

namespace Karya.LocalServers.Tests;

public sealed class PostgresBinariesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_chosen_folder_wins()
    {
        string chosen = Binaries("chosen");

        Assert.Equal(chosen, PostgresBinaries.FindFolder(chosen, Binaries("path"), _folder));
    }

    [Fact]
    public void A_chosen_folder_without_binaries_is_a_mistake_and_not_a_hint()
    {
        var failure = Assert.Throws<InvalidOperationException>(
            () => PostgresBinaries.FindFolder("/nowhere", Binaries("path"), _folder));

        Assert.Contains("KARYA_TEST_POSTGRES_BIN is /nowhere", failure.Message);
    }

    [Fact]
    public void The_first_folder_on_the_path_that_has_both_comes_next()
    {
        string path = Binaries("path");

        Assert.Equal(path, PostgresBinaries.FindFolder("", $"/nowhere:{_folder}:{path}:{Binaries("later")}", _folder));
    }

    [Fact]
    public void Then_the_newest_version_of_Debian()
    {
        Binaries("9.6/bin");
        string newest = Binaries("16/bin");
        Binaries("15/bin");
        Directory.CreateDirectory(Path.Combine(_folder, "17/bin"));   // Clients only.

        Assert.Equal(newest, PostgresBinaries.FindFolder(null, "/nowhere", _folder));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/nowhere")]
    public void Without_any_the_message_says_what_to_install_and_what_to_set(string debianFolder)
    {
        var failure = Assert.Throws<InvalidOperationException>(
            () => PostgresBinaries.FindFolder(null, null, debianFolder + _folder));

        Assert.Contains("apt-get install postgresql", failure.Message);
        Assert.Contains("KARYA_TEST_POSTGRES_BIN", failure.Message);
    }

    private string Binaries(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.Create(Path.Combine(folder, "initdb")).Dispose();
        File.Create(Path.Combine(folder, "postgres")).Dispose();
        return folder;
    }
}
