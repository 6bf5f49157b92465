<?php echo 'client 6 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
